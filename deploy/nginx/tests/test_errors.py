"""nginx's own errors are JSON where programs ask; the application's own pass untouched."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from running import Nginx, Reply, described, free_port, wait_until
from sites import Opened, Site
from tiers import Answer, HttpTier, Request, WsTier, dead_socket

from nginxgen.description import Clients
from nginxgen.description import HttpTier as HttpSettings

PROGRAM_PATHS = ["/api/chats/", "/auth/users/", "/healthz", "/readyz"]
LONGEST_BODY = 128 * 1024
# fail_seconds is 1, which nginx counts in whole seconds of the clock.
BACK_SECONDS = 2.5


def code_of(reply: Reply) -> str:
    """The code of an error in JSON, after checking that it is one."""
    assert reply.header("Content-Type") == "application/json"
    found = json.loads(reply.body)
    assert set(found) == {"detail", "code"}
    assert found["detail"]
    return str(found["code"])


@pytest.mark.parametrize("path", ["/api/chats/abc/messages/", "/auth/users/"])
def test_a_body_up_to_the_limit_passes_and_a_larger_one_is_refused(site: Site, path: str) -> None:
    assert site.nginx.ask("POST", path, body=b"x" * LONGEST_BODY).status == 200
    assert len(site.http.last.body) == LONGEST_BODY
    site.http.requests.clear()
    reply = site.nginx.ask("POST", path, body=b"x" * (LONGEST_BODY + 1))
    assert (reply.status, code_of(reply)) == (413, "too_large")
    assert site.http.requests == []


def test_a_body_of_a_megabyte_gets_its_answer(site: Site) -> None:
    reply = site.nginx.ask("POST", "/api/chats/", body=b"x" * 2**20)
    assert (reply.status, code_of(reply)) == (413, "too_large")


def test_a_body_in_pieces_is_refused_as_well(site: Site) -> None:
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = b"POST /api/chats/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = site.nginx.send_raw(head + piece * 5)
    assert (reply.status, code_of(reply)) == (413, "too_large")


def test_the_admin_takes_larger_bodies(site: Site) -> None:
    assert site.nginx.ask("POST", "/admin/chat/", body=b"x" * (LONGEST_BODY + 1)).status == 200
    assert site.nginx.ask("POST", "/admin/chat/", body=b"x" * (2**20 + 1)).status == 413


def test_an_address_that_is_too_long_is_refused_in_json(site: Site) -> None:
    reply = site.nginx.ask("GET", "/api/chats/?cursor=" + "x" * 9000)
    assert (reply.status, code_of(reply)) == (414, "uri_too_long")


def test_headers_that_are_too_large_are_refused_in_json(site: Site) -> None:
    reply = site.nginx.ask("GET", "/api/chats/", {"Authorization": "JWT " + "x" * 9000})
    assert (reply.status, code_of(reply)) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /api/chats/ HTTP/1.1\r\n\r\n",
        b"GET /api/chats/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /api/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\x00ET /api/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_json(site: Site, data: bytes) -> None:
    reply = site.nginx.send_raw(data)
    assert (reply.status, code_of(reply)) == (400, "bad_request")
    assert site.http.requests == []


def test_trace_is_refused_in_json(site: Site) -> None:
    reply = site.nginx.ask("TRACE", "/api/chats/")
    assert (reply.status, code_of(reply)) == (405, "method_not_allowed")


def test_people_get_a_small_page(site: Site) -> None:
    reply = site.nginx.ask("GET", "/unknown")
    assert (reply.status, reply.header("Content-Type")) == (404, "text/html")
    assert b'<a href="/">' in reply.body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504])
def test_the_applications_own_errors_pass_untouched(site: Site, status: int) -> None:
    body = b'{"username": ["This field may not be blank."]}'
    kind = "application/problem+json"
    site.http.behave = lambda _: Answer(status, body, {"Content-Type": kind, "Retry-After": "77"})
    reply = site.nginx.ask("POST", "/auth/users/", body=b"{}")
    assert (reply.status, reply.body) == (status, body)
    assert (reply.header("Content-Type"), reply.header("Retry-After")) == (kind, "77")
    assert len(site.http.requests) == 1


@pytest.mark.parametrize("path", PROGRAM_PATHS)
def test_a_tier_that_is_away_is_told_in_json(tmp_path: Path, path: str) -> None:
    with WsTier(tmp_path / "ws.sock") as ws:
        description = described(tmp_path, (dead_socket(tmp_path / "1.sock"),), (ws.address,))
        with Nginx(description, tmp_path) as nginx:
            reply = nginx.ask("GET", path)
            assert (reply.status, code_of(reply)) == (502, "unavailable")
            assert reply.header("Retry-After") == "2"
            assert nginx.ask("GET", "/admin/").header("Content-Type") == "text/html"


def test_a_tier_that_does_not_answer_is_told_in_json(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ws = stack.enter_context(WsTier(tmp_path / "ws.sock"))
        # Accepts and says nothing.
        mute = stack.enter_context(socket.create_server(("127.0.0.1", free_port())))
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        description = described(
            tmp_path,
            (address,),
            (ws.address,),
            http=HttpSettings(servers=(address,), read_seconds=1),
        )
        nginx = stack.enter_context(Nginx(description, tmp_path))
        reply = nginx.ask("POST", "/api/chats/", body=b"{}")
        assert (reply.status, code_of(reply)) == (504, "unavailable")
        assert reply.header("Retry-After") == "2"


def dying(_: Request) -> None:
    """Takes a request and closes without a word."""


def test_a_post_that_a_server_has_seen_is_not_sent_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ws = stack.enter_context(WsTier(tmp_path / "ws.sock"))
        tiers = [stack.enter_context(HttpTier(tmp_path / f"{name}.sock")) for name in ("1", "2")]
        for tier in tiers:
            tier.behave = dying
        description = described(tmp_path, tuple(tier.address for tier in tiers), (ws.address,))
        nginx = stack.enter_context(Nginx(description, tmp_path))
        assert nginx.ask("POST", "/api/chats/", body=b"{}").status == 502
        assert sum(len(tier.requests) for tier in tiers) == 1


def test_a_get_whose_server_died_is_asked_of_another(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ws = stack.enter_context(WsTier(tmp_path / "ws.sock"))
        dies = stack.enter_context(HttpTier(tmp_path / "1.sock"))
        dies.behave = dying
        lives = stack.enter_context(HttpTier(tmp_path / "2.sock"))
        description = described(tmp_path, (dies.address, lives.address), (ws.address,))
        nginx = stack.enter_context(Nginx(description, tmp_path))
        assert [nginx.ask("GET", "/api/chats/").status for _ in range(4)] == [200] * 4
        assert dies.requests, "the dying server was never asked"


def test_a_post_that_no_server_has_seen_goes_to_the_next(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ws = stack.enter_context(WsTier(tmp_path / "ws.sock"))
        lives = stack.enter_context(HttpTier(tmp_path / "2.sock"))
        servers = (dead_socket(tmp_path / "1.sock"), lives.address)
        nginx = stack.enter_context(Nginx(described(tmp_path, servers, (ws.address,)), tmp_path))
        replies = [nginx.ask("POST", "/api/chats/", body=b"{}").status for _ in range(4)]
        assert replies == [200] * 4


def test_a_server_that_is_back_serves_within_seconds(opened: Opened, tmp_path: Path) -> None:
    away = tmp_path / "late.sock"
    servers = (dead_socket(away), dead_socket(tmp_path / "gone.sock"))
    with opened(http=HttpSettings(servers=servers)) as site:
        # Often enough for both to be left out.
        assert {site.nginx.ask("GET", "/healthz").status for _ in range(10)} == {502}
        away.unlink()
        with HttpTier(away):
            wait_until(
                "the server is asked again",
                lambda: site.nginx.ask("GET", "/healthz").status == 200,
                BACK_SECONDS,
            )


def ended(line: socket.socket) -> bool:
    """Whether the other side ends the connection without a word, politely or not."""
    try:
        return line.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_dawdles_over_its_head_is_dropped(opened: Opened) -> None:
    with opened(clients=Clients(header_seconds=1, body_seconds=1)) as site:
        with socket.create_connection(("127.0.0.1", site.nginx.port), 5) as line:
            line.sendall(b"GET /api/chats/ HTTP/1.1\r\nHost: ")
            assert ended(line)
        assert site.http.requests == []


def test_a_client_that_dawdles_over_its_body_never_holds_a_thread(opened: Opened) -> None:
    with opened(clients=Clients(body_seconds=1)) as site:
        with socket.create_connection(("127.0.0.1", site.nginx.port), 5) as line:
            line.sendall(b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            assert ended(line)
        assert site.http.requests == []
