"""Who is online, across workers."""

from __future__ import annotations

from tests.people import Person
from tests.realtime.clients import Client, Frame, chat
from tests.realtime.rooms import make_room
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
