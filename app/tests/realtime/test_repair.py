"""What was lost on the way is found: hints, the LISTEN connection, a whole worker."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chat import actions
from realtime import hints
from realtime.flusher import HINT_SQL, hint_thread
from tests.people import Person
from tests.realtime.clients import Client, chat, inbox
from tests.realtime.rooms import chat_id, make_room, post
from tests.realtime.waiting import listeners, query, until
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]
Start = Callable[..., Worker]


@pytest.fixture
def no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose every hint of this process, as a crash between commit and hint does."""
    monkeypatch.setattr(actions, "hint", lambda *arguments: None)


def notify(payload: str) -> None:
    query(HINT_SQL, hints.CHANNEL, [payload])


def test_a_message_whose_hint_was_lost_arrives_within_seconds(
    workers: Pair, alice: Person, no_hints: None
) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        post(alice, uri)
        assert client.expect("message", 5)["seq"] == 1


def test_an_inbox_hears_of_a_message_whose_hint_was_lost(
    workers: Pair, alice: Person, bob: Person, no_hints: None
) -> None:
    uri = make_room(alice, bob)
    with inbox(workers[0], bob) as client:
        client.send({"type": "auth", "token": bob.access})
        time.sleep(0.3)
        post(alice, uri)
        # That bob was added to the chat may be told first, with nothing in it yet.
        client.expect("chat", 8, where=lambda frame: frame["last_seq"] == 1)


def test_a_gap_in_the_hints_is_read_from_the_table(
    workers: Pair, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        with monkeypatch.context() as patch:
            patch.setattr(actions, "hint", lambda *arguments: None)
            post(alice, uri, "one")
            post(alice, uri, "two")
        post(alice, uri, "three")
        got = client.messages(3, 1.5)
        assert [(frame["seq"], frame["message"]) for frame in got] == [
            (1, "one"),
            (2, "two"),
            (3, "three"),
        ]
        client.nothing("message", 0.2)


def test_hints_out_of_order_and_doubled_are_delivered_once_in_order(
    workers: Pair, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = make_room(alice)
    heard: list[hints.Hint] = []
    monkeypatch.setattr(actions, "hint", lambda *hint: heard.append(hints.Hint(*hint)))
    with chat(workers[0], alice, uri) as client:
        client.ready()
        for number in range(6):
            post(alice, uri, str(number))
        lines = hints.pack(heard)[0].split("\n")
        for place in (2, 0, 1, 1, 5, 4, 3, 0):
            notify(lines[place])
        assert [frame["seq"] for frame in client.messages(6, 1.5)] == [1, 2, 3, 4, 5, 6]
        client.nothing("message", 0.3)


def test_a_message_too_long_for_a_hint_arrives_all_the_same(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as one, chat(workers[1], alice, uri) as two:
        one.ready()
        two.ready()
        text = "\U0001f388" * 2000
        post(alice, uri, text)
        one.say("\x01" * 2000)
        for client in (one, two):
            first, second = client.messages(2, 1.5)
            assert first["message"] == text
            assert second["message"] == "\x01" * 2000


def test_nonsense_on_the_hint_channel_harms_nobody(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        for payload in ("", "x", "1", "1 x", "-1 5 {}", f"{chat_id(uri)}", "9 9 9\n\n 1 1"):
            notify(payload)
        for payload in ("", "x", "1:x", "x:y:z:0", "1:2:3:4:5"):
            query("SELECT pg_notify('channels_postgres_messages', %s)", payload)
        post(alice, uri)
        assert client.messages(1, 1.5)[0]["seq"] == 1


def test_a_worker_whose_listen_connection_is_cut_hears_again_within_a_second(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as client, inbox(workers[0], bob) as mail:
        client.ready()
        for turn in range(3):
            query("SELECT pg_terminate_backend(%s)", workers[0].listener_pid())
            seq = post(alice, uri)
            assert client.expect("message", 1.5)["seq"] == seq == turn + 1
            mail.expect("chat", 3, where=lambda frame: frame["last_seq"] == seq)  # noqa: B023
        until(lambda: workers[0].get("/readyz")[0] == 200, "ready again")
        client.nothing("message", 0.3)


def test_fifty_sockets_at_once_are_one_listener_and_one_copy(
    new_worker: Start, alice: Person
) -> None:
    worker = new_worker()
    uri = make_room(alice)
    clients: list[Client] = []
    try:
        clients.extend(chat(worker, alice, uri) for _ in range(50))
        for client in clients:
            client.ready()
        assert len(listeners(f"chatire-listen:ws:%:{worker.pid}")) == 1
        post(alice, uri)
        clients[0].say("second")
        for client in clients:
            assert [frame["seq"] for frame in client.messages(2)] == [1, 2]
        for client in clients:
            client.nothing("message", 0.01)
        rows = query(
            "SELECT count(*) FROM channels_postgres_groupchannel WHERE group_key LIKE %s",
            f"%:chat.{chat_id(uri)}",
        )
        assert rows == [(1,)], "one row for the worker, not one for each socket"
        assert query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    finally:
        for client in clients:
            client.close()


def test_a_killed_workers_users_vanish_and_its_clients_resume_elsewhere(
    new_worker: Start, workers: Pair, alice: Person, bob: Person
) -> None:
    worker = new_worker()
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as stays:
        stays.ready()
        with chat(worker, bob, uri) as client:
            client.ready()
            stays.expect("presence", where=lambda frame: len(frame["online"]) == 2)
            post(alice, uri)
            assert client.messages(1)[0]["seq"] == 1
            worker.kill()
            name = query("SELECT worker FROM realtime_presence WHERE user_id = %s", bob.id)
        post(alice, uri)
        with chat(workers[1], bob, uri, "?after=1") as back:
            assert [frame["seq"] for frame in back.messages(1)] == [2]
            back.ready()
        # The lease is what ends for the dead worker; here it ends now.
        query("UPDATE realtime_worker SET expire = now() WHERE name = %s", name[0][0])
        stays.expect("presence", 20, where=lambda frame: len(frame["online"]) == 1)
        until(
            lambda: not query("SELECT 1 FROM realtime_presence WHERE user_id = %s", bob.id),
            "the dead worker's rows are swept",
            20,
        )


def test_hints_wait_for_a_database_that_cuts_their_connection(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        post(alice, uri)
        assert client.expect("message")["seq"] == 1
        query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'chatire-hints%%'"
        )
        post(alice, uri)
        assert client.expect("message", 1.5)["seq"] == 2
    hint_thread.close()


def test_a_worker_survives_the_loss_of_all_its_connections(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        # As docs/protocol.md asks of a client: a backend may take its time to die.
        name = client.say("still here")
        while (answer := client.next(8))["type"] != "ack":
            if answer["type"] == "error":
                assert answer["code"] == "unavailable"
                client.say("still here", name)
        assert answer["seq"] == 1
        assert client.posts("again")["seq"] == 2
