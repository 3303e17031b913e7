"""More than there is room for: refused by name, while those within the limits are served."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.people import Person
from tests.realtime.clients import chat
from tests.realtime.rooms import make_room
from tests.realtime.waiting import until
from tests.realtime.workers import Worker

Start = Callable[..., Worker]


def test_a_flood_of_frames_is_closed_with_4429_and_ordinary_talk_is_not(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_WS_FRAMES_PER_SECOND="20", CHATIRE_WS_FRAMES_BURST="50")
    uri = make_room(alice)
    with chat(worker, alice, uri) as floods, chat(worker, alice, uri) as talks:
        floods.ready()
        talks.ready()
        for _ in range(45):
            talks.send({"type": "typing"})
        with contextlib.suppress(ConnectionClosed):
            for _ in range(200):
                floods.send({"type": "typing"})
        assert floods.closed() == 4429
        talks.posts("still here")


def test_one_socket_too_many_is_refused_with_503_until_there_is_room(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_WS_MAX_SOCKETS="3")
    uri = make_room(alice)
    clients = [chat(worker, alice, uri) for _ in range(3)]
    for client in clients:
        client.ready()
    with pytest.raises(InvalidStatus) as refused:
        chat(worker, alice, uri)
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]
    body = refused.value.response.body
    assert body is not None
    assert json.loads(body)["code"] == "unavailable"
    # A full worker serves well those it has: it is ready.
    assert worker.get("/readyz")[0] == 200
    clients.pop().close()
    until(lambda: worker.get("/readyz")[1]["sockets"] == 2, "one has left")
    with chat(worker, alice, uri) as client:
        client.ready()
    for client in clients:
        client.close()


def stalled(worker: Worker, person: Person, path: str) -> socket.socket:
    """A signed-in socket of somebody who reads nothing, not even the handshake's answer."""
    raw = socket.socket()
    # Before the connection is made: a small window from the start.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", worker.port))
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: chatire, jwt.{person.access}\r\n\r\n".encode()
    )
    raw.settimeout(8)
    return raw


@pytest.mark.parametrize("reads_on", [True, False])
def test_a_reader_that_stops_is_let_go_and_holds_up_nobody(
    new_worker: Start, alice: Person, bob: Person, reads_on: bool
) -> None:
    worker = new_worker(CHATIRE_WS_OUTBOX_BYTES="200000")
    uri = make_room(alice, bob)
    with chat(worker, alice, uri) as client, stalled(worker, bob, f"/ws/chats/{uri}/") as raw:
        client.ready()
        client.expect("presence", where=lambda frame: len(frame["online"]) == 2)
        before = worker.rss()
        slowest = 0.0
        # The kernel takes some megabytes for a reader before the worker sees anything of it.
        for _ in range(2_000):
            began = time.monotonic()
            client.posts("\U0001f388" * 2000)
            slowest = max(slowest, time.monotonic() - began)
            last = client.seen[-1]
            if any(len(f.get("online", "xx")) == 1 for f in client.seen[-5:]):
                break
            client.seen[:] = [last]
        else:
            pytest.fail("the stalled reader was never let go")
        assert slowest < 2
        assert worker.rss() - before < 30_000_000
        if reads_on:
            data = b""
            while not data.endswith(b"too slow a reader"):
                data += raw.recv(1 << 20)
            assert data[-19:-17] == (4429).to_bytes(2, "big")
        else:
            # Cut within the few seconds that a close frame is given, though nothing is read.
            until(lambda: worker.connections() == 1, "the stalled socket is gone")
            client.posts("still here")


@pytest.mark.slow
def test_a_reader_that_stops_during_its_replay_is_let_go(
    new_worker: Start, alice: Person, bob: Person
) -> None:
    worker = new_worker(CHATIRE_WS_OUTBOX_BYTES="65536")
    uri = make_room(alice, bob)
    with chat(worker, alice, uri) as client:
        client.ready()
        for _ in range(500):
            client.say("\U0001f388" * 2000)
            client.expect("ack")
        with stalled(worker, bob, f"/ws/chats/{uri}/?after=0"):
            until(lambda: worker.get("/readyz")[1]["sockets"] == 2, "it is being sent its replay")
            client.say("meanwhile")
            client.expect("ack", 2)
            until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "the stalled one is gone", 30)
