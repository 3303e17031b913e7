"""A lone message's hint goes out with its commit, and says what a hint of its own would."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from accounts.users import UserRow
from chat import actions, roster
from chat.actions import Posted
from chat.drafts import Draft
from chat.events import message_frame
from realtime import hints, pool, writer
from realtime.conninfo import connection_params
from realtime.writer import Writer
from tests.people import Person, make_person
from tests.realtime.clients import chat
from tests.realtime.rooms import chat_id, make_room, user_of
from tests.realtime.workers import Worker
from tests.realtime.writing import row, write

Pair = tuple[Worker, Worker]
Hints = Callable[[], list[hints.Hint]]


@pytest.fixture
def heard(committed: None) -> Iterator[Hints]:
    """What a listener has heard since it was asked last."""
    with psycopg.connect(**connection_params("test-ear"), autocommit=True) as connection:
        connection.execute(f"LISTEN {hints.CHANNEL}")
        yield lambda: [
            hint
            for notice in connection.notifies(timeout=0.3)
            for hint in hints.unpack(notice.payload)
        ]


def one_by_one(uri: str, user: UserRow, *drafts: Draft) -> list[Posted]:
    async def work(one: Writer) -> list[Posted]:
        return [await one.post(uri, user, draft) for draft in drafts]

    return write(work, tells=True)


def draft(text: str = "x", client_id: uuid.UUID | None = None) -> Draft:
    return Draft(text, client_id or uuid.uuid4())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's commits may take long; where it counts, a test says how long is too long."""
    monkeypatch.setattr(writer, "TELL_SECONDS", 60.0)


def test_the_hint_is_the_one_that_would_be_sent_by_itself(alice: Person, heard: Hints) -> None:
    uri = make_room(alice)
    texts = [
        "plain",
        'a "quote" \\ and \\n',
        "line\nbreak\r\t\x7f",
        "grüße 🎈 \u2028",
        "%s %(x)s {}",
        "'",
    ]
    drafts = [Draft(text, uuid.uuid4() if place % 2 else None) for place, text in enumerate(texts)]
    posted = one_by_one(uri, row(alice), *drafts)
    assert [one.row.text for one in posted] == texts
    assert all(one.told for one in posted)
    frames = [
        hints.Hint(chat_id(uri), number, 0, message_frame(one.row))
        for number, one in enumerate(posted, 1)
    ]
    assert heard() == frames


def test_an_authors_names_are_part_of_it(heard: Hints) -> None:
    someone = make_person(first_name='Ø "x"', last_name="\\")
    [posted] = one_by_one(make_room(someone), row(someone), draft())
    assert [hint.frame for hint in heard()] == [message_frame(posted.row)]


def test_who_left_before_is_counted(alice: Person, bob: Person, heard: Hints) -> None:
    uri = make_room(alice, bob)
    roster.remove_member(uri, user_of(alice), user_of(bob))
    [posted] = one_by_one(uri, row(alice), draft())
    assert [hint.departures for hint in heard()] == [1] == [posted.departures]


def test_a_repeat_is_not_told_again(alice: Person, heard: Hints) -> None:
    again = draft()
    first, second = one_by_one(make_room(alice), row(alice), again, again)
    assert (first.created, first.told) == (True, True)
    assert (second.created, second.told, second.row) == (False, False, first.row)
    assert len(heard()) == 1


def test_a_frame_that_is_too_long_for_a_notification_is_not_put_in_one(
    alice: Person, heard: Hints
) -> None:
    uri = make_room(alice)
    long, short = one_by_one(uri, row(alice), draft("🎈" * 2000), draft("🎈" * 1800))
    assert (long.created, long.told) == (True, False)
    assert short.told
    assert [hint.seq for hint in heard()] == [2]


def test_messages_that_come_together_are_told_by_themselves(alice: Person, heard: Hints) -> None:
    one, two = make_room(alice), make_room(alice)

    async def work(writer: Writer) -> list[Posted]:
        first = [writer.post(one, row(alice), draft()) for _ in range(3)]
        await asyncio.sleep(0)
        # While those are under way.
        return await asyncio.gather(*first, writer.post(two, row(alice), draft()))

    assert not any(posted.told for posted in write(work, tells=True))
    assert heard() == []


def test_where_commits_are_slow_hints_go_by_themselves(
    alice: Person, heard: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each would hold up everybody's notifications for as long."""
    uri = make_room(alice)

    async def work(one: Writer) -> list[Posted]:
        monkeypatch.setattr(writer, "ALONE_SECONDS", 0.3)
        monkeypatch.setattr(writer, "TELL_SECONDS", 0.0)
        posted = [await one.post(uri, row(alice), draft()) for _ in range(2)]
        await asyncio.sleep(0.4)
        return [*posted, await one.post(uri, row(alice), draft())]

    assert [posted.told for posted in write(work, tells=True)] == [True, False, True]
    assert [hint.seq for hint in heard()] == [1, 3]


def test_what_is_undone_is_not_told(alice: Person, heard: Hints) -> None:
    """The hint is the transaction's."""
    uri = make_room(alice)

    async def main() -> None:
        try:
            async with pool.connection() as db, db.transaction(force_rollback=True):
                posted = await actions.apost_message(db, uri, row(alice), draft(), tell=True)
                assert posted.told
        finally:
            await pool.close_pool()

    asyncio.run(main())
    assert heard() == []


def test_the_ack_is_ahead_of_the_message_and_others_get_it_at_once(
    workers: Pair, alice: Person, bob: Person
) -> None:
    """This worker's listener hears of it too, perhaps before it hears of the commit."""
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        one.ready()
        two.ready()
        for number in range(1, 101):
            one.say(str(number))
            assert two.expect("message", 1)["seq"] == number
            one.expect("message")
        kinds = [frame["type"] for frame in one.seen if frame["type"] in ("ack", "message")]
        assert kinds == ["ack", "message"] * 100
