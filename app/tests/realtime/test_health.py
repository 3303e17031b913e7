"""A worker's health tells the truth: deaf, cut off, or well."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.people import Person
from tests.realtime.clients import chat
from tests.realtime.relay import Relay
from tests.realtime.rooms import make_room, post
from tests.realtime.waiting import query, until
from tests.realtime.workers import Worker

ROLE = "SELECT 1 FROM pg_roles WHERE rolname = 'rt_deaf'"
Start = Callable[..., Worker]
Pair = tuple[Worker, Worker]


def test_a_well_worker_is_alive_and_ready_and_says_what_it_knows(workers: Pair) -> None:
    assert workers[0].get("/healthz") == (200, {"status": "alive"})
    status, facts = workers[0].get("/readyz")
    assert status == 200
    assert facts["status"] == "ready"
    assert facts["reasons"] == []
    assert facts["database"] == {"reached": True}
    assert facts["listener"]["hears"] is True
    assert facts["listener"]["age_seconds"] < 8
    assert workers[0].get("/elsewhere")[0] == 404


def test_a_worker_on_a_database_without_tables_lives_and_is_not_ready(tmp_path: Path) -> None:
    query("DROP DATABASE IF EXISTS test_rt_empty")
    query("CREATE DATABASE test_rt_empty")
    worker = Worker(tmp_path / "worker.log", CHATIRE_DB_NAME="test_rt_empty")
    try:
        until(lambda: worker.get("/healthz")[0] == 200, "alive")
        for _ in range(20):
            status, facts = worker.get("/readyz")
            assert status == 503
            time.sleep(0.1)
        assert "does not exist" in facts["reasons"][0]
    finally:
        worker.stop()
        query("DROP DATABASE test_rt_empty WITH (FORCE)")


@pytest.mark.slow
def test_a_worker_cut_off_from_the_database_is_unready_within_ten_seconds_and_heals(
    new_worker: Start, workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    with Relay() as relay:
        worker = new_worker(
            CHATIRE_DB_HOST="127.0.0.1",
            CHATIRE_DB_PORT=str(relay.port),
            CHATIRE_WS_DEAF_SECONDS="10",
        )
        with chat(worker, alice, uri) as client:
            client.ready()
            relay.hole = True
            cut = time.monotonic()
            until(lambda: worker.get("/readyz")[0] == 503, "unready", 10)
            reasons = until(
                lambda: [
                    reason
                    for reason in worker.get("/readyz")[1]["reasons"]
                    if "listener deaf" in reason
                ],
                "the listener says that it is deaf",
                cut + 10.5 - time.monotonic(),
            )
            assert reasons
            with pytest.raises(InvalidStatus) as refused:
                chat(worker, alice, uri)
            assert refused.value.response.status_code == 503
            posted = post(alice, uri, "meanwhile")
            client_id = client.say("into the hole")
            # The shipped page gives its socket up for dead after 8 s without an answer.
            error = client.expect("error", 6)
            assert (error["code"], error["client_id"]) == ("unavailable", client_id)
            # Longer than its limit for deafness: that is the database's fault, not its own.
            time.sleep(max(0.0, cut + 14 - time.monotonic()))
            assert worker.process.poll() is None
            relay.hole = False
            assert client.expect("message", 15)["seq"] == posted
            until(lambda: worker.get("/readyz")[0] == 200, "ready again", 15)
            client.say("into the hole", client_id)
            assert client.expect("ack")["seq"] == posted + 1
        worker.stop()


def test_a_worker_that_stands_still_is_ended_and_its_waiting_handshakes_with_it(
    new_worker: Start, workers: Pair, alice: Person
) -> None:
    """The kernel goes on taking connections for it; nginx passes them on once they break."""
    uri = make_room(alice)
    worker = new_worker(CHATIRE_WS_STUCK_SECONDS="2")
    with chat(worker, alice, uri) as client:
        client.ready()
        worker.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises((OSError, InvalidMessage)):
            chat(worker, alice, uri, open_timeout=20)
        assert worker.process.wait(10) == -signal.SIGKILL
        assert time.monotonic() - began > 1.0
        assert client.closed() == 1006
    assert "has stood still for 2 s" in worker.log_text()
    with chat(workers[0], alice, uri) as client:
        client.ready()


def test_a_worker_that_is_only_busy_or_paused_for_a_moment_goes_on(
    new_worker: Start, alice: Person
) -> None:
    uri = make_room(alice)
    worker = new_worker(CHATIRE_WS_STUCK_SECONDS="4")
    with chat(worker, alice, uri) as client:
        client.ready()
        for _ in range(3):
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            worker.process.send_signal(signal.SIGCONT)
            client.posts("still here")
    assert worker.process.poll() is None


def test_a_guard_ends_with_its_worker(new_worker: Start) -> None:
    worker = new_worker()
    [guard] = guards(worker)
    worker.kill()
    until(lambda: not Path(f"/proc/{guard}").exists(), "the guard is gone")


def guards(worker: Worker) -> list[int]:
    """The process ids of a worker's children."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


@pytest.mark.slow
def test_a_worker_that_stays_deaf_while_the_database_answers_ends_itself(
    new_worker: Start, alice: Person
) -> None:
    query("DROP OWNED BY rt_deaf" if query(ROLE) else "CREATE ROLE rt_deaf LOGIN")
    query("GRANT pg_read_all_data, pg_write_all_data TO rt_deaf")
    query("ALTER ROLE rt_deaf CONNECTION LIMIT -1")
    worker = new_worker(CHATIRE_WS_DEAF_SECONDS="10", CHATIRE_DB_USER="rt_deaf")
    try:
        with chat(worker, alice, make_room(alice)) as client:
            client.ready()
            # What the pool holds goes on; the listener finds no place any more.
            query("ALTER ROLE rt_deaf CONNECTION LIMIT 0")
            query("SELECT pg_terminate_backend(%s)", worker.listener_pid())
            until(lambda: worker.get("/readyz")[0] == 503, "unready", 10)
            facts = worker.get("/readyz")[1]
            assert facts["database"]["reached"]
            assert "too many connections" in facts["reasons"][0]
            # Deaf is not mute: what is asked of the database is answered.
            client.posts("still here")
            assert client.closed(20) == 1012
            assert worker.process.wait(10) == 3
        assert "this worker ends itself: listener deaf" in worker.log_text()
    finally:
        worker.kill()
        query("DROP OWNED BY rt_deaf")
        query("DROP ROLE rt_deaf")
