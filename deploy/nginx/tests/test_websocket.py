"""Under /ws/ there are handshakes and nothing else, and they find a worker that serves."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from running import Nginx, described
from sites import Opened, Site
from tiers import HttpTier, WsTier, dead_socket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def socket_to(nginx: Nginx, path: str = "/ws/chats/abc/") -> ClientConnection:
    """A WebSocket as the page opens it."""
    return connect(
        f"ws://127.0.0.1:{nginx.port}{path}",
        subprotocols=[Subprotocol("chatire"), Subprotocol("jwt.abc")],
        origin=Origin("http://localhost"),
        compression=None,
        proxy=None,
    )


def said_back(connection: ClientConnection) -> str:
    """Who answers to a frame."""
    connection.send("hello")
    return str(connection.recv(timeout=5))


def test_frames_go_both_ways(site: Site) -> None:
    with socket_to(site.nginx) as connection:
        assert said_back(connection) == "ws: hello"


def test_the_tier_sees_path_origin_and_subprotocols(site: Site) -> None:
    with socket_to(site.nginx, "/ws/chats/abc/?after=3&epoch=e") as connection:
        assert connection.subprotocol == "chatire"
    seen = site.ws.handshakes[-1]
    assert seen.path == "/ws/chats/abc/?after=3&epoch=e"
    assert seen.headers["Origin"] == "http://localhost"
    assert seen.headers["Sec-WebSocket-Protocol"] == "chatire, jwt.abc"
    assert seen.headers["X-Forwarded-For"] == "127.0.0.1"
    assert seen.headers["Host"] == f"127.0.0.1:{site.nginx.port}"


@pytest.mark.parametrize(
    "connection", ["Upgrade", "upgrade", "keep-alive, Upgrade", "a,b, upgrade"]
)
def test_a_handshake_is_known_however_connection_is_written(site: Site, connection: str) -> None:
    reply = site.nginx.ask("GET", "/ws/inbox/", HANDSHAKE | {"Connection": connection})
    assert reply.status == 101


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", {}),
        ("POST", HANDSHAKE),
        ("GET", {"Upgrade": "h2c", "Connection": "Upgrade"}),
        ("GET", {"Upgrade": "websocket"}),
        ("GET", {"Upgrade": "websocket", "Connection": "keep-alive"}),
        ("GET", {"Upgrade": "websocket", "Connection": "upgrades"}),
    ],
)
def test_anything_but_a_handshake_is_told_to_upgrade(
    site: Site, method: str, headers: dict[str, str]
) -> None:
    reply = site.nginx.ask(method, "/ws/chats/abc/", headers)
    assert (reply.status, json.loads(reply.body)["code"]) == (426, "upgrade_required")
    assert reply.header("Upgrade") == "websocket"
    assert "Upgrade" in (reply.header("Connection") or "")
    assert site.ws.handshakes == []


def test_a_long_connection_header_is_read_at_once(site: Site) -> None:
    reply = site.nginx.ask("GET", "/ws/x/", HANDSHAKE | {"Connection": "a," * 3000})
    assert reply.status == 426


@pytest.mark.parametrize("path", ["/", "/chats/abc", "/api/chats/", "/auth/users/me/", "/healthz"])
def test_no_other_address_upgrades(site: Site, path: str) -> None:
    reply = site.nginx.ask("GET", path, HANDSHAKE)
    assert reply.status == 200
    if site.http.requests:
        assert site.http.last.header("Upgrade") is None
        assert site.http.last.header("Connection") is None
    assert site.ws.handshakes == []


def test_the_tiers_own_refusal_passes_untouched(site: Site) -> None:
    site.ws.refuse_with = 403
    reply = site.nginx.ask("GET", "/ws/chats/abc/", HANDSHAKE)
    assert (reply.status, json.loads(reply.body)) == (
        403,
        {"detail": "ws drains", "code": "draining"},
    )


def test_a_draining_worker_is_passed_over(tmp_path: Path) -> None:
    with ExitStack() as stack:
        http = stack.enter_context(HttpTier(tmp_path / "http.sock"))
        drains = stack.enter_context(WsTier(tmp_path / "1.sock", "drains"))
        serves = stack.enter_context(WsTier(tmp_path / "2.sock", "serves"))
        drains.refuse_with = 503
        description = described(tmp_path, (http.address,), (drains.address, serves.address))
        nginx = stack.enter_context(Nginx(description, tmp_path))
        for _ in range(6):
            with socket_to(nginx) as connection:
                assert said_back(connection) == "serves: hello"
        assert drains.handshakes, "the draining worker was never asked"


def test_a_dead_and_a_missing_worker_are_passed_over(tmp_path: Path) -> None:
    with ExitStack() as stack:
        http = stack.enter_context(HttpTier(tmp_path / "http.sock"))
        serves = stack.enter_context(WsTier(tmp_path / "3.sock", "serves"))
        dead = dead_socket(tmp_path / "1.sock")
        workers = (dead, f"unix:{tmp_path}/never-there.sock", serves.address)
        nginx = stack.enter_context(Nginx(described(tmp_path, (http.address,), workers), tmp_path))
        for _ in range(6):
            with socket_to(nginx) as connection:
                assert said_back(connection) == "serves: hello"


def test_new_sockets_go_where_fewest_are_open(tmp_path: Path) -> None:
    with ExitStack() as stack:
        http = stack.enter_context(HttpTier(tmp_path / "http.sock"))
        workers = [
            stack.enter_context(WsTier(tmp_path / f"{name}.sock", name)) for name in ("a", "b")
        ]
        description = described(tmp_path, (http.address,), tuple(tier.address for tier in workers))
        nginx = stack.enter_context(Nginx(description, tmp_path))
        sockets = [stack.enter_context(socket_to(nginx)) for _ in range(20)]
        names = [said_back(connection) for connection in sockets]
        assert names.count("a: hello") == names.count("b: hello") == 10


def test_where_every_worker_drains_the_client_is_told_to_come_back(site: Site) -> None:
    site.ws.refuse_with = 503
    with pytest.raises(InvalidStatus) as refused, socket_to(site.nginx):
        pass
    assert refused.value.response.status_code == 503


def test_where_no_worker_is_left_the_answer_is_json(tmp_path: Path) -> None:
    with HttpTier(tmp_path / "http.sock") as http:
        dead = (dead_socket(tmp_path / "1.sock"), dead_socket(tmp_path / "2.sock"))
        with Nginx(described(tmp_path, (http.address,), dead), tmp_path) as nginx:
            for _ in range(8):
                reply = nginx.ask("GET", "/ws/chats/abc/", HANDSHAKE)
                assert (reply.status, json.loads(reply.body)["code"]) == (502, "unavailable")
                assert int(reply.header("Retry-After") or 0) > 0


def test_workers_that_come_back_get_every_socket_at_once(tmp_path: Path) -> None:
    # A tunnel counts as a success only when it ends, so nothing may hang on that.
    paths = (tmp_path / "1.sock", tmp_path / "2.sock")
    with ExitStack() as stack:
        http = stack.enter_context(HttpTier(tmp_path / "http.sock"))
        dead = tuple(dead_socket(path) for path in paths)
        nginx = stack.enter_context(Nginx(described(tmp_path, (http.address,), dead), tmp_path))
        for _ in range(8):
            assert nginx.ask("GET", "/ws/chats/abc/", HANDSHAKE).status == 502
        for path in paths:
            path.unlink()
            stack.enter_context(WsTier(path, "back"))
        sockets = [stack.enter_context(socket_to(nginx)) for _ in range(8)]
        assert [said_back(connection) for connection in sockets] == ["back: hello"] * 8


def test_an_open_socket_lives_through_a_reload(opened: Opened) -> None:
    with opened() as site, socket_to(site.nginx) as old:
        assert said_back(old) == "ws: hello"
        before = site.nginx.workers()
        site.nginx.reload(site.nginx.description)
        with socket_to(site.nginx) as new:
            assert said_back(new) == "ws: hello"
        assert said_back(old) == "ws: hello"
        assert before & site.nginx.workers(), "the worker that holds the old socket is gone"
