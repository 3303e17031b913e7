"""The logs tell what happened, and never a secret or a query string."""

import json
from pathlib import Path

import pytest
from running import Nginx, described, wait_until
from sites import Opened, Site
from test_websocket import HANDSHAKE, socket_to
from tiers import HttpTier, dead_socket

from nginxgen.description import Limits, Log

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"
SECRET = "secret-that-nobody-may-read"


def logged(site: Site, marker: str) -> str:
    """The access log, once it tells of this marker."""
    wait_until(f"{marker} is logged", lambda: marker in site.nginx.access_log)
    return site.nginx.access_log


def test_a_line_tells_who_what_and_how_it_ended(site: Site) -> None:
    site.nginx.ask("GET", "/api/chats/who-what/", {"User-Agent": "a program"})
    log = logged(site, "who-what")
    line = next(line for line in log.splitlines() if "who-what" in line)
    assert line.startswith("127.0.0.1 [")
    assert '"GET /api/chats/who-what/ HTTP/1.1" 200 ' in line
    assert site.http.address in line
    assert '"a program"' in line
    assert f"id={site.http.last.header('X-Request-ID')}" in line


def test_no_line_tells_a_query_string(site: Site) -> None:
    with socket_to(site.nginx, f"/ws/chats/query/?after=1&q={SECRET}"):
        pass
    site.nginx.ask("GET", f"/api/chats/query/?q={SECRET}")
    site.nginx.ask("GET", f"/unknown/query?q={SECRET}")
    log = logged(site, "/unknown/query")
    wait_until("the socket is logged", lambda: "/ws/chats/query/" in site.nginx.access_log)
    assert SECRET not in log
    assert SECRET not in site.nginx.access_log


def test_no_line_tells_a_credential(site: Site) -> None:
    headers = {
        "Authorization": f"JWT {SECRET}",
        "Cookie": f"refresh={SECRET}",
        "Sec-WebSocket-Protocol": f"chatire, jwt.{SECRET}",
        "Referer": f"http://localhost/?{SECRET}",
    }
    assert site.nginx.ask("GET", "/ws/credential/", headers | HANDSHAKE).status == 101
    site.nginx.ask("POST", "/auth/credential/", headers, json.dumps({"p": SECRET}).encode())
    logged(site, "/auth/credential/")
    log = logged(site, "/ws/credential/")
    assert SECRET not in log
    assert SECRET not in site.nginx.error_log


@pytest.mark.parametrize(
    "path",
    [
        f"/ws/chats/abc/?token={TOKEN}",
        f"/api/chats/?access={TOKEN}",
        f"/api/chats/?access={TOKEN.replace('.', '%2E')}",
        f"/chats/abc?jwt.{TOKEN}",
        f"/ws/{TOKEN}/",
    ],
)
def test_a_token_in_an_address_is_refused_and_written_nowhere(opened: Opened, path: str) -> None:
    with opened() as site:
        reply = site.nginx.ask("GET", path, HANDSHAKE)
        assert (reply.status, json.loads(reply.body)["code"]) == (400, "token_in_url")
        assert site.http.requests == []
        assert site.ws.handshakes == []
        log = logged(site, " 400 ")
        assert "eyJ" not in log
        assert "eyJ" not in site.nginx.error_log


def test_a_token_where_it_belongs_passes(site: Site) -> None:
    assert site.nginx.ask("GET", "/api/chats/", {"Authorization": f"JWT {TOKEN}"}).status == 200
    assert site.nginx.ask("GET", "/api/chats/?cursor=eyJvIjoxfQ==").status == 200


@pytest.mark.parametrize("gone", ["the process", "its socket"])
def test_no_query_string_is_told_when_no_worker_can_be_reached(tmp_path: Path, gone: str) -> None:
    with HttpTier(tmp_path / "http.sock") as http:
        dead = dead_socket(tmp_path / "ws.sock")
        if gone == "its socket":
            (tmp_path / "ws.sock").unlink()
        with Nginx(described(tmp_path, (http.address,), (dead,)), tmp_path) as nginx:
            assert nginx.ask("GET", f"/ws/chats/abc/?q={SECRET}", HANDSHAKE).status == 502
            # The access log names the server that failed.
            wait_until("it is logged", lambda: f"upstream={dead} 502" in nginx.access_log)
            assert SECRET not in nginx.access_log
            assert nginx.error_log == ""


def test_errors_of_the_http_tier_are_told_with_their_reason(tmp_path: Path) -> None:
    with HttpTier(tmp_path / "ws.sock") as ws:
        dead = dead_socket(tmp_path / "http.sock")
        with Nginx(described(tmp_path, (dead,), (ws.address,)), tmp_path) as nginx:
            assert nginx.ask("GET", "/api/chats/").status == 502
            wait_until("the reason is told", lambda: "Connection refused" in nginx.error_log)


def test_json_lines_are_json_whatever_a_client_sends(tmp_path: Path) -> None:
    log = Log(format="json", access=str(tmp_path / "access.log"), error=str(tmp_path / "error.log"))
    nowhere = ("unix:/nowhere",)
    with Nginx(described(tmp_path, nowhere, nowhere, log=log), tmp_path) as nginx:
        nginx.ask("GET", "/unknown?q=1", {"User-Agent": 'a "quoted" \\ \t program'})
        nginx.ask("GET", "/ws/chats/abc/", HANDSHAKE)
        nginx.send_raw(b"nonsense\r\n\r\n")
        wait_until("all is logged", lambda: nginx.access_log.count("\n") == 3)
        # Two workers write, so in any order.
        lines = {line["path"]: line for line in map(json.loads, nginx.access_log.splitlines())}
    asked = lines["/unknown"]
    assert (asked["client"], asked["method"], asked["status"]) == ("127.0.0.1", "GET", "404")
    assert asked["user_agent"] == 'a "quoted" \\ \t program'
    handshake = lines["/ws/chats/abc/"]
    assert (handshake["upstream"], handshake["upstream_status"]) == ("unix:/nowhere", "502")
    assert lines[""]["status"] == "400"


def test_the_limited_are_told_apart_in_the_access_log(opened: Opened) -> None:
    with opened(limits=Limits(api_per_second=1, api_burst=1)) as site:
        for _ in range(3):
            site.nginx.ask("GET", f"/api/?q={SECRET}")
        wait_until("it is logged", lambda: "limited=REJECTED" in site.nginx.access_log)
        assert site.nginx.error_log == ""


def test_no_access_log_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    log = Log(access="off", error=str(tmp_path / "error.log"))
    description = described(tmp_path, ("unix:/nowhere",), ("unix:/nowhere",), log=log)
    with Nginx(description, tmp_path) as nginx:
        assert nginx.ask("GET", "/unknown").status == 404
        assert not list(tmp_path.glob("access*"))
