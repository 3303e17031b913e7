"""Stopping a worker: unready, nobody new, 1012 for everyone, gone in time."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus

from tests.people import Person
from tests.realtime.clients import chat, inbox
from tests.realtime.rooms import make_room
from tests.realtime.waiting import listeners, query, until
from tests.realtime.workers import Worker

Start = Callable[..., Worker]


def test_sigterm_closes_every_socket_with_1012_and_ends_with_status_0(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker()
    uri = make_room(alice)
    clients = [chat(worker, alice, uri) for _ in range(10)] + [inbox(worker, alice)]
    clients[0].ready()
    waiting = chat(worker, None, uri)
    worker.terminate()
    codes = [client.closed(6) for client in [*clients, waiting]]
    assert set(codes) == {1012}
    assert worker.process.wait(6) == 0
    assert query("SELECT count(*) FROM realtime_presence WHERE user_id = %s", alice.id) == [(0,)]
    assert not listeners(f"chatire-listen:ws:%:{worker.pid}")
    assert "Traceback" not in worker.log_text()
    for client in [*clients, waiting]:
        client.close()


@pytest.mark.slow
def test_a_draining_worker_refuses_handshakes_with_503_and_says_so(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_DRAIN_SECONDS="8")
    uri = make_room(alice)
    with socket.create_connection(("127.0.0.1", worker.port)) as stuck:
        # A peer that never answers the close frame keeps the drain going for some seconds.
        stuck.sendall(
            f"GET /ws/chats/{uri}/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: chatire, jwt.{alice.access}\r\n\r\n".encode()
        )
        until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "it is in")
        worker.terminate()
        until(lambda: worker.get("/readyz")[0] == 503, "unready")
        assert "draining" in worker.get("/readyz")[1]["reasons"][0]
        assert worker.get("/healthz")[0] == 200
        with pytest.raises(InvalidStatus) as refused:
            chat(worker, alice, uri)
        assert refused.value.response.status_code == 503
        assert worker.process.wait(9) == 0


def test_sockets_are_let_go_over_some_time(new_worker: Start, alice: Person) -> None:
    worker = new_worker(CHATIRE_DRAIN_SECONDS="6")
    uri = make_room(alice)
    clients = [chat(worker, alice, uri) for _ in range(200)]
    until(lambda: worker.get("/readyz")[1]["sockets"] == 200, "all are in")
    worker.terminate()
    seen = set()
    while (facts := worker.get("/readyz")[1]) is not None:
        seen.add(facts["sockets"])
    assert len(seen) > 3, seen
    assert {client.closed(6) for client in clients} == {1012}
    assert worker.process.wait(6) == 0
    for client in clients:
        client.close()


def test_a_worker_whose_goodbye_hangs_is_gone_before_its_deadline(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_DRAIN_SECONDS="3")
    with chat(worker, alice, make_room(alice)) as client:
        client.ready()
        # A lock on what the goodbye needs: the drain's last queries hang.
        from django.db import transaction

        with transaction.atomic():
            query("LOCK TABLE realtime_presence, channels_postgres_groupchannel")
            began = time.monotonic()
            worker.terminate()
            assert worker.process.wait(5) == 0
            assert time.monotonic() - began < 3.5


def test_a_worker_with_a_task_that_does_not_end_is_gone_before_its_deadline(
    new_worker: Start,
) -> None:
    worker = new_worker(module="tests.realtime.stubborn", CHATIRE_DRAIN_SECONDS="3")
    began = time.monotonic()
    worker.terminate()
    assert worker.process.wait(5) == 0
    assert time.monotonic() - began < 3.5
    # It had come to its end, and would have stayed there.
    assert "stopped" in worker.log_text()
    assert "stopping took too long" in worker.log_text()


@pytest.mark.slow
def test_a_worker_whose_listener_was_stopped_and_continued_heals(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker(CHATIRE_WS_STUCK_SECONDS="0")
    uri = make_room(alice)
    with chat(worker, alice, uri) as client:
        client.ready()
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(6)
        os.kill(worker.pid, signal.SIGCONT)
        client.say("back again")
        client.expect("message", 8)
        until(lambda: worker.get("/readyz")[0] == 200, "ready again")
