"""What browsers and the tiers are told in headers."""

import gzip
import re

import pytest
from running import wait_until
from sites import SCRIPT, Opened, Site
from tiers import Answer

FILES = ["/", "/auth", "/chats/abc", "/assets/index-3f9a1c.js", "/favicon.svg"]
TIERS = ["/api/chats/", "/auth/users/me/", "/admin/", "/static/a.css", "/healthz", "/readyz"]
ERRORS = ["/unknown", "/metrics", "/api", "/ws/x/", "/assets/missing.js"]
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def policy_of(site: Site, path: str) -> dict[str, list[str]]:
    """The content security policy, by directive."""
    text = site.nginx.ask("GET", path).header("Content-Security-Policy")
    assert text is not None
    assert "|" not in text, "more than one policy"
    parts = [part.split() for part in text.split(";")]
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("path", FILES + TIERS + ERRORS)
def test_every_answer_has_each_security_header_once(site: Site, path: str) -> None:
    # The application sets them too; a browser meets one of each.
    site.http.behave = lambda _: Answer(headers=SECURITY | {"Content-Security-Policy": "img-src *"})
    reply = site.nginx.ask("GET", path)
    assert {name: reply.header(name) for name in SECURITY} == SECURITY
    assert "camera=()" in (reply.header("Permissions-Policy") or "")
    assert reply.header("Strict-Transport-Security") is None
    assert policy_of(site, path)["default-src"] == ["'none'"]
    assert policy_of(site, path)["frame-ancestors"] == ["'none'"]


def test_the_page_may_load_only_what_is_its_own(site: Site) -> None:
    policy = policy_of(site, "/")
    for name in ("script-src", "style-src", "font-src", "connect-src", "manifest-src", "media-src"):
        assert policy[name] == ["'self'"], name
    assert policy["img-src"] == ["'self'", "data:"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'self'"]


def test_the_admin_may_load_its_scripts_and_styles(site: Site) -> None:
    policy = policy_of(site, "/admin/")
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == ["'self'"]


@pytest.mark.parametrize("path", TIERS + FILES)
def test_nothing_may_run_code_from_text(site: Site, path: str) -> None:
    sources = [source for each in policy_of(site, path).values() for source in each]
    assert not any("unsafe" in source or "*" in source for source in sources)


def test_the_applications_headers_reach_the_client(site: Site) -> None:
    site.http.behave = lambda _: Answer(
        headers={"Set-Cookie": "refresh=x; HttpOnly", "Vary": "Origin", "X-Own": "kept"}
    )
    reply = site.nginx.ask("POST", "/auth/jwt/create/", body=b"{}")
    assert reply.header("Set-Cookie") == "refresh=x; HttpOnly"
    assert (reply.header("Vary"), reply.header("X-Own")) == ("Origin", "kept")


def test_what_a_client_claims_about_itself_is_not_passed_on(site: Site) -> None:
    claimed = {
        "X-Forwarded-For": "192.0.2.99",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Server": "evil.example",
        "X-Real-IP": "192.0.2.99",
        "X-Request-ID": "forged",
        "Forwarded": "for=192.0.2.99",
        "Proxy": "http://evil.example",
        "X_Forwarded_For": "192.0.2.99",
    }
    site.nginx.ask("GET", "/api/chats/", claimed)
    seen = site.http.last
    assert (seen.header("X-Forwarded-For"), seen.header("X-Real-IP")) == ("127.0.0.1", "127.0.0.1")
    assert seen.header("X-Forwarded-Proto") == "http"
    assert re.fullmatch("[0-9a-f]{32}", seen.header("X-Request-ID") or "")
    for name in (
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "Forwarded",
        "Proxy",
    ):
        assert seen.header(name) is None, name
    assert seen.header("X_Forwarded_For") is None


def test_credentials_and_content_type_reach_the_tier(site: Site) -> None:
    sent = {"Authorization": "JWT a.b.c", "Cookie": "refresh=x", "Content-Type": "application/json"}
    site.nginx.ask("POST", "/api/chats/", sent, b'{"a": 1}')
    assert {name: site.http.last.header(name) for name in sent} == sent
    assert site.http.last.body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("localhost:8080", "localhost:8080"),
        ("localhost", "localhost"),
        ("LOCALHOST:8080", "localhost:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]", "[::1]"),
    ],
)
def test_the_host_is_passed_with_the_port_that_the_client_wrote(
    site: Site, asked: str, passed: str
) -> None:
    site.nginx.ask("GET", "/api/chats/", {"Host": asked})
    assert site.http.last.header("Host") == passed


def test_the_host_of_a_whole_address_wins_over_the_header(site: Site) -> None:
    site.nginx.send_raw(
        b"GET http://asked.example/api/ HTTP/1.1\r\nHost: claimed.example\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert site.http.last.header("Host") == "asked.example"


def test_a_trusted_proxy_is_believed_and_the_client_behind_it_is_not(opened: Opened) -> None:
    with opened(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as site:
        chain = {"X-Forwarded-For": "192.0.2.66, 192.0.2.1, 10.0.0.7", "X-Forwarded-Proto": "https"}
        site.nginx.ask("GET", "/api/chats/", chain)
        assert site.http.last.header("X-Forwarded-For") == "192.0.2.1"
        assert site.http.last.header("X-Forwarded-Proto") == "https"
        # The line is written after the answer.
        wait_until("it is logged", lambda: site.nginx.access_log.startswith("192.0.2.1 "))


def test_a_proxy_that_is_not_trusted_is_not_believed(opened: Opened) -> None:
    with opened(trusted_proxies=("10.0.0.0/8",)) as site:
        claimed = {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "https"}
        site.nginx.ask("GET", "/api/chats/", claimed)
        assert site.http.last.header("X-Forwarded-For") == "127.0.0.1"
        assert site.http.last.header("X-Forwarded-Proto") == "http"


@pytest.mark.parametrize("path", ["/assets/index-3f9a1c.js"])
def test_text_files_are_compressed(site: Site, path: str) -> None:
    reply = site.nginx.ask("GET", path, {"Accept-Encoding": "gzip"})
    assert reply.header("Content-Encoding") == "gzip"
    assert reply.header("Vary") == "Accept-Encoding"
    assert gzip.decompress(reply.body) == SCRIPT
    assert site.nginx.ask("GET", path).body == SCRIPT


def test_static_files_of_the_tier_are_compressed(site: Site) -> None:
    site.http.behave = lambda _: Answer(body=SCRIPT, headers={"Content-Type": "text/css"})
    reply = site.nginx.ask("GET", "/static/a.css", {"Accept-Encoding": "gzip"})
    assert gzip.decompress(reply.body) == SCRIPT


@pytest.mark.parametrize("path", ["/api/chats/", "/auth/jwt/create/", "/admin/"])
def test_what_may_hold_a_secret_is_not_compressed(site: Site, path: str) -> None:
    site.http.behave = lambda _: Answer(body=SCRIPT)
    reply = site.nginx.ask("GET", path, {"Accept-Encoding": "gzip"})
    assert reply.header("Content-Encoding") is None
    assert reply.body == SCRIPT
