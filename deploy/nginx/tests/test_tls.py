"""HTTPS: only good versions, a redirect for the rest, and names that are the site's own."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Nginx, described, free_port
from sites import PAGE, Site, build_ui
from tiers import HttpTier, WsTier

from nginxgen.description import Tls

NAME = "chat.example.org"


def secure_site(folder: Path, **more: Any) -> Nginx:
    """nginx with a certificate made on the spot, for one name."""
    build_ui(folder / "ui")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", f"/CN={NAME}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = Tls(
        certificate=str(certificate),
        key=str(key),
        listen=(f"127.0.0.1:{free_port()}",),
        public_port=more.pop("public_port", 443),
    )
    http, ws = f"unix:{folder}/http.sock", f"unix:{folder}/ws.sock"
    names = ("localhost", NAME, "*.chat.example.net")
    return Nginx(described(folder, (http,), (ws,), tls=tls, server_names=names, **more), folder)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with TLS for the tests of this module."""
    folder = tmp_path_factory.mktemp("secure")
    webroot = folder / "acme"
    (webroot / ".well-known" / "acme-challenge").mkdir(parents=True)
    (webroot / ".well-known" / "acme-challenge" / "token-1").write_text("proof")
    with (
        secure_site(folder, acme_webroot=str(webroot)) as nginx,
        HttpTier(folder / "http.sock") as http,
        WsTier(folder / "ws.sock") as ws,
    ):
        yield Site(nginx, http, ws)


def handshake(site: Site, version: ssl.TLSVersion, protocols: list[str]) -> ssl.SSLSocket:
    """A TLS connection of exactly this version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Or this machine's own policy would refuse before nginx is asked.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(protocols)
    line = socket.create_connection(("127.0.0.1", site.nginx.tls_port), 5)
    return context.wrap_socket(line, server_hostname=NAME)


def test_the_page_is_served_over_tls_with_hsts(secure: Site) -> None:
    reply = secure.nginx.ask_securely("GET", "/", {"Host": NAME})
    assert (reply.status, reply.body) == (200, PAGE)
    assert reply.header("Strict-Transport-Security") == "max-age=31536000"


@pytest.mark.parametrize("path", ["/api/chats/", "/unknown", "/api", "/ws/x/", "/auth"])
def test_every_answer_over_tls_has_hsts(secure: Site, path: str) -> None:
    reply = secure.nginx.ask_securely("GET", path, {"Host": NAME})
    assert reply.header("Strict-Transport-Security") == "max-age=31536000"


def test_the_tier_is_told_of_https(secure: Site) -> None:
    secure.nginx.ask_securely("GET", "/api/chats/", {"Host": NAME})
    assert secure.http.last.header("X-Forwarded-Proto") == "https"


@pytest.mark.parametrize("path", ["/", "/api/chats/?limit=3", "/auth/users/", "/ws/x/"])
def test_http_is_led_to_https_without_html(secure: Site, path: str) -> None:
    reply = secure.nginx.ask("POST", path, {"Host": f"{NAME}:8080"}, b"{}")
    assert (reply.status, reply.header("Location")) == (308, f"https://{NAME}{path}")
    assert reply.header("Content-Type") == "application/json"
    assert json.loads(reply.body)["code"] == "https_required"


def test_the_redirect_names_the_port_that_browsers_see(tmp_path: Path) -> None:
    with secure_site(tmp_path, public_port=8443) as nginx:
        reply = nginx.ask("GET", "/", {"Host": "a.chat.example.net"})
        assert reply.header("Location") == "https://a.chat.example.net:8443/"


def test_another_name_is_refused_and_never_led_anywhere(secure: Site) -> None:
    secure.http.requests.clear()
    for ask in (secure.nginx.ask, secure.nginx.ask_securely):
        reply = ask("GET", "/api/chats/", {"Host": "evil.example"})
        assert (reply.status, json.loads(reply.body)["code"]) == (421, "misdirected")
        assert reply.header("Location") is None
    assert secure.http.requests == []


def test_a_challenge_for_a_certificate_is_answered_over_http(secure: Site) -> None:
    for host in (NAME, "not-served-yet.example"):
        reply = secure.nginx.ask("GET", "/.well-known/acme-challenge/token-1", {"Host": host})
        assert (reply.status, reply.body) == (200, b"proof")
    missing = secure.nginx.ask("GET", "/.well-known/acme-challenge/token-2", {"Host": NAME})
    assert missing.status == 404


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_good_versions_of_tls_are_spoken_with_http2(secure: Site, version: ssl.TLSVersion) -> None:
    with handshake(secure, version, ["h2", "http/1.1"]) as line:
        assert line.selected_alpn_protocol() == "h2"
        cipher = line.cipher()
        assert cipher is not None
        assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("name", ["TLSv1", "TLSv1_1"])
def test_old_versions_of_tls_are_refused(secure: Site, name: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        handshake(secure, ssl.TLSVersion[name], ["http/1.1"]).close()


def test_plain_http_on_the_port_for_https_is_answered_in_json(secure: Site) -> None:
    with socket.create_connection(("127.0.0.1", secure.nginx.tls_port), 5) as line:
        line.sendall(b"GET /api/chats/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "bad_request"' in answer


def test_names_are_held_to_without_tls_too(tmp_path: Path) -> None:
    nowhere = ("unix:/nowhere",)
    build_ui(tmp_path / "ui")
    description = described(tmp_path, nowhere, nowhere, server_names=(NAME,))
    with Nginx(description, tmp_path) as nginx:
        assert nginx.ask("GET", "/", {"Host": NAME}).status == 200
        assert nginx.ask("GET", "/", {"Host": "other.example"}).status == 421
