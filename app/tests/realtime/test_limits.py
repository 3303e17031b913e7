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
        assert talks.say("still here") and talks.expect("ack")


def test_one_socket_too_many_is_refused_with_503_until_there_is_room(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_WS_MAX_SOCKETS="3")
    uri = make_room(alice)
    clients = [chat(worker, alice, uri) for _ in range(3)]
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


def test_a_reader_that_stops_is_let_go_and_holds_up_nobody(
    new_worker: Start, alice: Person, bob: Person
) -> None:
    worker = new_worker(CHATIRE_WS_OUTBOX_BYTES="200000")
    uri = make_room(alice, bob)
    raw = socket.create_connection(("127.0.0.1", worker.port), timeout=5)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        f"GET /ws/chats/{uri}/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: chatire, jwt.{bob.access}\r\n\r\n".encode()
    )
    with raw, chat(worker, alice, uri) as client:
        client.ready()
        client.expect("presence", where=lambda frame: len(frame["online"]) == 2)
        before = worker.rss()
        slowest = 0.0
        for _ in range(600):
            began = time.monotonic()
            client.say("\U0001f388" * 1500)
            client.expect("ack")
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2
        # Gone within the few seconds that a close frame is given, though it never read.
        until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "the stalled socket is gone")
        assert worker.rss() - before < 30_000_000
        raw.settimeout(8)
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := raw.recv(1 << 20):
                data += chunk
        assert len(data) < 10_000_000
        if b"\x88" in data[-64:]:
            assert (4429).to_bytes(2, "big") in data[-64:]


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
        raw = socket.create_connection(("127.0.0.1", worker.port), timeout=5)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            f"GET /ws/chats/{uri}/?after=0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: chatire, jwt.{bob.access}\r\n\r\n".encode()
        )
        with raw:
            until(lambda: worker.get("/readyz")[1]["sockets"] == 2, "it is being sent its replay")
            client.say("meanwhile")
            client.expect("ack", 2)
            until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "the stalled one is gone", 30)
