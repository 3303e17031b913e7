"""Every address goes where DESIGN says, and nowhere else."""

import json

import pytest
from sites import PAGE, Site

TO_HTTP = [
    "/api/chats/",
    "/api/chats/abc/messages/?after=3&limit=10",
    "/auth/users/me/",
    "/auth/jwt/refresh/",
    "/auth/",
    "/admin/",
    "/admin/login/?next=/admin/",
    "/static/admin/css/base.css",
    "/healthz",
    "/readyz",
]
TO_PAGE = ["/", "/auth", "/auth?next=/chats/abc", "/chats", "/chats/abc", "/chats/abc/anything"]
TO_NOTHING = [
    "/metrics",
    "/metrics/",
    "//metrics",
    "/%6detrics",
    "/unknown",
    "/index.html",
    "/.git",
]


@pytest.mark.parametrize("path", TO_HTTP)
def test_the_http_tier_gets_its_addresses_as_they_were_asked(site: Site, path: str) -> None:
    assert site.nginx.ask("GET", path).body == b'{"tier": "http"}'
    assert site.http.last.path == path


@pytest.mark.parametrize("path", TO_PAGE)
def test_the_page_is_served_at_each_of_its_addresses(site: Site, path: str) -> None:
    reply = site.nginx.ask("GET", path)
    assert (reply.status, reply.body) == (200, PAGE)
    assert reply.header("Content-Type") == "text/html"
    assert site.http.requests == []


def test_the_page_is_asked_for_anew_each_time(site: Site) -> None:
    reply = site.nginx.ask("GET", "/")
    assert reply.header("Cache-Control") == "no-cache"
    # Two releases of a reproducible build have pages of the same size and time: neither tells
    # them apart, so a browser gets nothing to ask with.
    assert reply.header("ETag") is None
    assert reply.header("Last-Modified") is None
    again = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert site.nginx.ask("GET", "/", again).status == 200


def test_a_hashed_asset_is_kept_for_ever(site: Site) -> None:
    reply = site.nginx.ask("GET", "/assets/index-3f9a1c.js")
    assert reply.status == 200
    assert reply.header("Content-Type") == "text/javascript"
    assert reply.header("Cache-Control") == "public, max-age=31536000, immutable"


def test_a_missing_asset_is_not_kept(site: Site) -> None:
    reply = site.nginx.ask("GET", "/assets/index-of-the-next-release.js")
    assert reply.status == 404
    assert reply.header("Cache-Control") is None


@pytest.mark.parametrize("path", ["/assets/", "/assets", "/assets/../index.html"])
def test_no_folder_of_the_page_is_listed(site: Site, path: str) -> None:
    assert site.nginx.ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/favicon.svg", "image/svg+xml"),
        ("/robots.txt", "text/plain"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ],
)
def test_files_beside_the_page_are_served(site: Site, path: str, kind: str) -> None:
    reply = site.nginx.ask("GET", path)
    assert (reply.status, reply.header("Content-Type")) == (200, kind)


@pytest.mark.parametrize("path", TO_NOTHING)
def test_what_is_not_served_reaches_no_tier(site: Site, path: str) -> None:
    assert site.nginx.ask("GET", path).status == 404
    assert site.http.requests == []


@pytest.mark.parametrize("path", ["/api", "/ws"])
def test_a_missing_slash_is_answered_in_json(site: Site, path: str) -> None:
    reply = site.nginx.ask("GET", path)
    assert (reply.status, reply.header("Content-Type")) == (404, "application/json")
    assert json.loads(reply.body)["code"] == "not_found"


def test_a_missing_slash_of_the_admin_leads_there_on_whatever_port(site: Site) -> None:
    reply = site.nginx.ask("GET", "/admin")
    assert (reply.status, reply.header("Location")) == (301, "/admin/")


def test_a_page_address_takes_no_post(site: Site) -> None:
    assert site.nginx.ask("POST", "/auth", body=b"{}").status == 405
    assert site.http.requests == []


def test_the_errors_own_addresses_are_not_served(site: Site) -> None:
    for page in ("json", "html", "token"):
        assert site.nginx.ask("GET", f"/_error/{page}").status == 404


def test_nothing_is_said_of_the_server_version(site: Site) -> None:
    assert site.nginx.ask("GET", "/").header("Server") == "nginx"
    assert b"nginx/" not in site.nginx.ask("GET", "/unknown").body


def test_a_description_needs_no_folder_of_the_machine(site: Site) -> None:
    written = (site.nginx.folder / "nginx.conf").read_text()
    assert "include" not in written
