"""Whoever opens a chat is told how far the others have read."""

from __future__ import annotations

import pytest

from accounts.users import UserRow
from chat import actions, roster
from chat.standing import MOST_MARKS, Mark
from realtime.marks import Marks
from tests.people import Person, sign_in
from tests.realtime.clients import Client, Frame, chat
from tests.realtime.rooms import chat_id, make_room, post, user_of
from tests.realtime.waiting import query
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]


def read(person: Person, uri: str, seq: int) -> None:
    """Read on as over HTTP."""
    actions.mark_read(chat_id(uri), user_of(person), seq)


def marks(client: Client, count: int) -> dict[str, int]:
    """The next so many marks: by whom, how far."""
    found: list[Frame] = [client.expect("read") for _ in range(count)]
    return {frame["user"]["username"]: frame["seq"] for frame in found}


def no_marks(client: Client) -> None:
    """The client, which has just come, is told of nobody."""
    client.expect("presence")
    assert [frame for frame in client.seen if frame["type"] == "read"] == []
    client.nothing("read", 0.4)


@pytest.mark.parametrize("query", ["", "?after=2", "?after=2&epoch=another"])
def test_the_marks_of_the_others_come_right_after_ready_or_reset(
    workers: Pair, alice: Person, bob: Person, carol: Person, query: str
) -> None:
    uri = make_room(alice, bob, carol)
    for _ in range(3):
        post(alice, uri)
    read(alice, uri, 3)
    read(bob, uri, 2)
    read(carol, uri, 1)
    with chat(workers[0], alice, uri, query) as client:
        assert marks(client, 2) == {bob.username: 2, carol.username: 1}
        client.nothing("read", 0.4)
        kinds = [frame["type"] for frame in client.seen if frame["type"] != "message"]
        assert kinds[0] == ("reset" if "epoch" in query else "ready")
        assert kinds[1:] == ["read", "read", "presence"]


def test_where_nobody_else_has_read_there_is_no_mark(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    post(alice, uri)
    read(alice, uri, 1)
    with chat(workers[0], alice, uri) as client:
        no_marks(client)


def test_a_mark_set_while_the_room_is_open_is_told_to_who_comes_later(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    post(alice, uri)
    with chat(workers[0], alice, uri) as first, chat(workers[1], bob, uri) as reader:
        first.expect("presence")
        reader.send({"type": "read", "seq": 1})
        assert marks(first, 1) == {bob.username: 1}
        with chat(workers[0], sign_in(user_of(alice)), uri) as second:
            assert marks(second, 1) == {bob.username: 1}


def test_who_left_is_not_named_any_more(
    workers: Pair, alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_room(alice, bob, carol)
    post(alice, uri)
    read(bob, uri, 1)
    with chat(workers[0], alice, uri) as first:
        assert marks(first, 1) == {bob.username: 1}
        roster.remove_member(uri, user_of(bob), user_of(bob))
        first.expect("members", where=lambda frame: len(frame["members"]) == 2)
        with chat(workers[0], carol, uri) as second:
            no_marks(second)


def test_who_was_added_and_never_came_has_read_nothing(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice)
    post(alice, uri)
    roster.add_member(uri, user_of(alice), user_of(bob))
    with chat(workers[0], alice, uri) as one:
        no_marks(one)
        # What was said before is not unread to a newcomer; that they look at it is news.
        with chat(workers[1], bob, uri) as two:
            two.send({"type": "read", "seq": 1})
            assert marks(one, 1) == {bob.username: 1}


def test_a_mark_missed_in_a_deaf_moment_is_found(workers: Pair, alice: Person, bob: Person) -> None:
    uri = make_room(alice, bob)
    post(alice, uri)
    with chat(workers[0], alice, uri) as client:
        client.expect("presence")
        # Nobody is told of it.
        query("UPDATE chat_membership SET read_seq = 1 WHERE user_id = %s", bob.id)
        query("SELECT pg_terminate_backend(%s)", workers[0].listener_pid())
        assert marks(client, 1) == {bob.username: 1}


def test_of_a_crowd_the_furthest_are_told(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    crowd = MOST_MARKS + 5
    for _ in range(crowd):
        post(alice, uri)
    query(
        """
        WITH people AS (
            INSERT INTO auth_user (username, password, first_name, last_name, email,
                is_superuser, is_staff, is_active, date_joined)
            SELECT 'crowd-' || n, '', '', '', '', FALSE, FALSE, TRUE, now()
            FROM generate_series(1, %s) AS n RETURNING id, username
        )
        INSERT INTO chat_membership (chat_id, user_id, read_seq)
        SELECT %s, id, split_part(username, '-', 2)::integer FROM people
        """,
        crowd,
        chat_id(uri),
    )
    with chat(workers[0], alice, uri) as client:
        told = marks(client, MOST_MARKS)
        client.nothing("read", 0.4)
    assert told == {f"crowd-{seq}": seq for seq in range(6, crowd + 1)}


def test_a_room_remembers_the_furthest_marks_and_each_once() -> None:
    held = Marks()
    people = [UserRow(number, f"user{number}", "", "") for number in range(1, MOST_MARKS + 2)]
    for user in people:
        assert held.learn(Mark(user, 10 + user.id)) is not None
    # The least of them made room, and does not come back by standing still.
    assert held.learn(Mark(people[-1], 11)) is None
    told = held.of_others(people[-1].id)
    assert told is not None
    names = [payload.decode() for payload in told.payloads]
    assert len(names) == MOST_MARKS - 1
    assert not any('"user1"' in name or f'"{people[-1].username}"' in name for name in names)
    held.keep({people[-1].id})
    assert held.of_others(people[-1].id) is None
