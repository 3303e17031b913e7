"""Who is online, across workers, and what it costs to tell them."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

from realtime.conninfo import connection_params
from realtime.layer import HardenedPostgresChannelLayer
from realtime.listener import LAYER_CHANNEL
from tests.people import Person
from tests.realtime.clients import Client, Frame, chat
from tests.realtime.rooms import chat_id, make_room, post
from tests.realtime.waiting import query, until
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]


def names(frame: Frame) -> set[str]:
    return {user["username"] for user in frame["online"]}


def sees(client: Client, *people: Person) -> None:
    """Wait until the client is shown exactly these."""
    expected = {person.username for person in people}
    client.expect("presence", 5, where=lambda frame: names(frame) == expected)


def test_everyone_sees_who_comes_and_goes_on_either_worker(
    workers: Pair, alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_room(alice, bob, carol)
    with chat(workers[0], alice, uri) as one:
        sees(one, alice)
        with chat(workers[1], bob, uri) as two:
            sees(two, alice, bob)
            sees(one, alice, bob)
            with chat(workers[0], carol, uri) as three:
                sees(three, alice, bob, carol)
                sees(two, alice, bob, carol)
        sees(one, alice)


def test_a_user_is_online_until_their_last_socket_closes(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as watcher, chat(workers[1], bob, uri) as last:
        sees(watcher, alice, bob)
        with chat(workers[0], bob, uri) as second:
            sees(second, alice, bob)
        with chat(workers[1], bob, uri) as third:
            sees(third, alice, bob)
        watcher.nothing("presence", 0.5)
        last.close()
        sees(watcher, alice)


def test_presence_is_written_again_after_the_database_has_forgotten_it(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        sees(one, alice, bob)
        sees(two, alice, bob)
        # What a crash of the database does to unlogged tables, and to connections.
        query("TRUNCATE realtime_presence, realtime_worker, channels_postgres_groupchannel")
        for worker in workers:
            query("SELECT pg_terminate_backend(%s)", worker.listener_pid())
        until(
            lambda: (
                query(
                    "SELECT count(*) FROM realtime_presence WHERE user_id IN (%s, %s)",
                    alice.id,
                    bob.id,
                )
                == [(2,)]
            ),
            "both rows are back",
        )
        two.send({"type": "typing"})
        one.expect("typing", 5)


def test_presence_leaves_no_row_behind(workers: Pair, alice: Person, bob: Person) -> None:
    uri = make_room(alice, bob)
    for _ in range(5):
        with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
            one.ready()
            two.ready()
    until(
        lambda: (
            query(
                "SELECT count(*) FROM realtime_presence WHERE user_id IN (%s, %s)", alice.id, bob.id
            )
            == [(0,)]
        ),
        "no row is left",
    )


class Notices:
    """What the layer notifies of one chat: each is a row, and wakes every listener."""

    def __init__(self, db: psycopg.Connection[Any], uri: str) -> None:
        self._db = db
        self._chat_id = chat_id(uri)
        self._layer = HardenedPostgresChannelLayer(tier="test")

    def so_far(self) -> list[tuple[str, str]]:
        """(type, the channel of the worker it is for) of each since the last call."""
        found: list[tuple[str, str]] = []
        for notice in self._db.notifies(timeout=0.3):
            _, channel, text, _ = notice.payload.split(":")
            event = self._layer.deserialize(base64.b64decode(text))
            if event.get("chat_id") == self._chat_id:
                found.append((event["type"], channel))
        return found


@contextlib.contextmanager
def notices(uri: str) -> Iterator[Notices]:
    with psycopg.connect(**connection_params("test"), autocommit=True) as db:
        db.execute(f"LISTEN {LAYER_CHANNEL}")
        yield Notices(db, uri)


def serving(person: Person) -> str:
    """The worker that has written that it serves this person."""
    rows = "SELECT worker FROM realtime_presence WHERE user_id = %s"
    [(worker,)] = until(lambda: query(rows, person.id), "the row of presence is there")
    return str(worker)


def test_what_nobody_on_another_worker_looks_at_is_written_for_nobody(
    workers: Pair, alice: Person, bob: Person, carol: Person
) -> None:
    """With the worker's own channel told as well, each would be a row and wake all listeners."""
    uri = make_room(alice, bob, carol)
    post(alice, uri)
    with (
        notices(uri) as told,
        chat(workers[0], alice, uri) as one,
        chat(workers[0], bob, uri) as two,
    ):
        sees(one, alice, bob)
        sees(two, alice, bob)
        one.send({"type": "typing"})
        assert two.expect("typing")["user"]["username"] == alice.username
        two.send({"type": "read", "seq": 1})
        assert one.expect("read")["user"]["username"] == bob.username
        own = serving(alice)
        assert own == serving(bob)
        # Of what is read an inbox on any worker may want to know; it goes out behind the typing.
        assert [kind for kind, _ in until(told.so_far, "the read is told")] == ["read"]
        with chat(workers[1], carol, uri) as three:
            three.ready()
            two.send({"type": "typing"})
            assert three.expect("typing")["user"]["username"] == bob.username
            sees(one, alice, bob, carol)
            other = serving(carol)
        sees(one, alice, bob)
        expected = [("typing", other), ("presence.changed", own), ("presence.changed", own)]
        assert sorted(told.so_far()) == sorted(expected)
