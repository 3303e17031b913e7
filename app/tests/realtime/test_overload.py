"""Far more than there is room for: refused by name and soon, while those within the limits are
served; and when it is over, all is as before. The limits one by one are in test_limits.py.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.conninfo import connection_params
from tests.people import Person
from tests.realtime.clients import Client, chat
from tests.realtime.rooms import chat_id, make_room
from tests.realtime.test_limits import stalled
from tests.realtime.test_round_trip import Gunicorn
from tests.realtime.waiting import query, until
from tests.realtime.workers import Worker

Start = Callable[..., Worker]

# "Soon", on a machine that has other things to do; the page waits 8 s for an answer.
SOON = 6.0


@contextlib.contextmanager
def held(uri: str) -> Iterator[None]:
    """Somebody holds the chat's row, as a transaction that hangs does: no post gets through."""
    with psycopg.connect(**connection_params("test-holder")) as holder:
        holder.execute("SELECT 1 FROM chat_chat WHERE id = %s FOR UPDATE", [chat_id(uri)])
        yield


def test_more_sockets_than_fit_are_refused_at_once_and_those_inside_go_on(
    new_worker: Start, alice: Person
) -> None:
    room_for, come = 10, 60
    worker = new_worker(CHATIRE_WS_MAX_SOCKETS=str(room_for + 1))
    uri = make_room(alice)

    def knock(_: int) -> Client | int:
        try:
            return chat(worker, alice, uri)
        except InvalidStatus as refused:
            assert refused.response.headers["Retry-After"]
            return refused.response.status_code

    with chat(worker, alice, uri) as inside, ThreadPoolExecutor(come) as threads:
        inside.ready()
        answers = list(threads.map(knock, range(come)))
        clients = [answer for answer in answers if isinstance(answer, Client)]
        refusals = Counter(answer for answer in answers if isinstance(answer, int))
        assert set(refusals) == {503}
        # A few more may be on their way through the door at the same moment, and no further.
        assert room_for <= len(clients) < come
        for client in clients:
            client.ready()
        seq = inside.posts("still here", SOON)["seq"]
        for client in clients:
            assert client.expect("message", SOON)["seq"] == seq
            client.close()
        until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "they have left")
        with chat(worker, alice, uri) as client:
            client.ready()


def test_a_flood_of_many_is_let_go_and_the_others_talk_on(new_worker: Start, alice: Person) -> None:
    worker = new_worker(CHATIRE_WS_FRAMES_PER_SECOND="20", CHATIRE_WS_FRAMES_BURST="50")
    uri = make_room(alice)

    def flood(client: Client) -> int:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(400):
                client.send({"type": "typing"})
        return client.closed()

    with chat(worker, alice, uri) as talks, ThreadPoolExecutor(20) as threads:
        talks.ready()
        floods = [chat(worker, alice, uri) for _ in range(20)]
        closing = [threads.submit(flood, client) for client in floods]
        for number in range(10):
            assert talks.posts("still here", SOON)["seq"] == number + 1
        assert {closed.result() for closed in closing} == {4429}
        for client in floods:
            client.close()
        until(lambda: worker.get("/readyz")[1]["sockets"] == 1, "they are gone")


def test_posts_that_the_database_has_no_time_for_are_told_so_and_stored_once_later(
    new_worker: Start, alice: Person
) -> None:
    """Every connection of the pool waits for one row: nobody hangs, other chats included."""
    worker = new_worker(CHATIRE_WS_DB_CONNECTIONS="2")
    busy, quiet = make_room(alice), make_room(alice)
    clients = [chat(worker, alice, busy) for _ in range(12)]
    with chat(worker, alice, quiet) as other:
        for client in [*clients, other]:
            client.ready()
        with held(busy):
            began = time.monotonic()
            sent = [client.say(f"from {number}") for number, client in enumerate(clients)]
            other.say("elsewhere")
            for client, client_id in zip(clients, sent, strict=True):
                error = client.expect("error", SOON)
                assert (error["code"], error["client_id"]) == ("unavailable", client_id)
            # Another chat's post is stored or refused like these: never left without an answer.
            _answered(other)
            assert time.monotonic() - began < SOON
            # What was cut off does not go on waiting in the database.
            until(lambda: not backends(worker), "the backends have given up")
        # What was told unavailable may have been stored after all; sent again it is once.
        seqs = set()
        for number, (client, client_id) in enumerate(zip(clients, sent, strict=True)):
            seqs.add(_until_acked(client, f"from {number}", client_id))
        assert seqs == set(range(1, len(clients) + 1))
        other.posts("elsewhere again", SOON)
    for client in clients:
        client.close()


def backends(worker: Worker) -> list[tuple[int]]:
    """The busy backends of a worker's pool, those that it has given up included."""
    return query(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = %s AND state = 'active'",
        f"chatire-ws:{worker.pid}",
    )


@pytest.mark.slow
def test_http_posts_that_the_database_has_no_time_for_get_503_and_the_process_serves_on(
    tmp_path: Path, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All threads wait for one row: each is told when to come back, and nobody is left hanging."""
    monkeypatch.setenv("CHATIRE_HTTP_THREADS", "2")
    busy, quiet = make_room(alice), make_room(alice)
    process = Gunicorn(tmp_path / "gunicorn.log", str(connection.settings_dict["NAME"]))
    with httpx.Client(
        base_url=f"http://{process.bind}",
        headers={"Authorization": f"JWT {alice.access}", "Host": "localhost"},
        timeout=30,
        trust_env=False,
    ) as client:

        def post(uri: str) -> httpx.Response:
            body = {"message": "hello", "client_id": str(uuid.UUID(int=7))}
            return client.post(f"/api/chats/{uri}/messages/", json=body)

        try:
            assert post(quiet).status_code == 201
            with held(busy), ThreadPoolExecutor(4) as threads:
                answers = list(threads.map(post, [busy] * 4))
            assert {answer.status_code for answer in answers} == {503}
            for answer in answers:
                assert answer.json()["code"] == "unavailable"
                assert int(answer.headers["Retry-After"]) > 0
            assert post(quiet).status_code == 200
            assert post(busy).status_code in (200, 201)
            assert post(busy).json()["seq"] == 1
        finally:
            process.stop()


def _answered(client: Client) -> None:
    """Read on to the answer to a post, an ack or `unavailable`."""
    frame = client.next(SOON)
    while frame["type"] not in ("ack", "error"):
        frame = client.next(SOON)
    assert frame["type"] == "ack" or frame["code"] == "unavailable"


def _until_acked(client: Client, text: str, client_id: str) -> int:
    """Send again until it is acknowledged, as a client does; returns the `seq`."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        client.say(text, client_id)
        frame = client.next(SOON)
        while frame["type"] not in ("ack", "error") or frame["client_id"] != client_id:
            frame = client.next(SOON)
        if frame["type"] == "ack":
            seq: int = frame["seq"]
            return seq
    raise AssertionError(f"{client_id} was never acknowledged")


@pytest.mark.slow
def test_a_hundred_slow_readers_are_let_go_and_their_memory_comes_back(
    new_worker: Start, alice: Person, bob: Person
) -> None:
    worker = new_worker(CHATIRE_WS_OUTBOX_BYTES="65536")
    uri = make_room(alice, bob)
    with chat(worker, alice, uri) as talks, contextlib.ExitStack() as stack:
        talks.ready()
        slow = [stack.enter_context(stalled(worker, bob, f"/ws/chats/{uri}/")) for _ in range(100)]
        until(lambda: worker.get("/readyz")[1]["sockets"] == len(slow) + 1, "all are in")
        before = worker.rss()
        slowest = 0.0
        for _ in range(2_000):
            began = time.monotonic()
            talks.posts("\U0001f388" * 2_000, SOON)
            slowest = max(slowest, time.monotonic() - began)
            talks.seen.clear()
            if worker.get("/readyz")[1]["sockets"] == 1:
                break
        else:
            pytest.fail("slow readers were not let go")
        assert slowest < SOON
        # A hundred outboxes at their limit, and as much again for what came in one piece.
        assert worker.rss() - before < 100 * 2 * 65_536 + 20_000_000
        until(lambda: worker.connections() <= 1, "their connections are gone", 15)
        talks.posts("still here", SOON)
