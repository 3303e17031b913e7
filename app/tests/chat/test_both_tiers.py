"""The ws tier's side of the actions: the same statements on an asynchronous connection."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import pytest

from accounts import sessions
from accounts.users import UserRow
from chat import actions, history, members, overview, permissions
from chat.drafts import Draft
from chat.events import message_object
from chat.models import Chat, Membership
from realtime.conninfo import connection_params
from tests.people import Person, make_chat, say

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")


def ask(work: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]]) -> T:
    """Runs a coroutine with an asynchronous connection in autocommit mode."""

    async def main() -> T:
        parameters = connection_params("test-ws")
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as db:
            return await work(db)

    return asyncio.run(main())


def row(person: Person) -> UserRow:
    return UserRow(person.id, person.username, "", "")


def test_a_message_of_the_ws_tier_is_the_same_as_one_over_http(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "over http")
    draft = Draft("over ws", uuid.uuid4())
    posted = ask(lambda db: actions.apost_message(db, uri, row(bob), draft))
    assert posted.created
    page = alice.get(f"/api/chats/{uri}/messages/").json()["messages"]
    assert [message["seq"] for message in page] == [1, 2]
    assert page[1] == message_object(posted.row)


def test_a_repeat_is_found_across_the_tiers(alice: Person) -> None:
    uri = make_chat(alice)
    client_id = uuid.uuid4()
    body = {"message": "once", "client_id": str(client_id)}
    first = alice.post(f"/api/chats/{uri}/messages/", body).json()
    again = ask(lambda db: actions.apost_message(db, uri, row(alice), Draft("x", client_id)))
    assert (again.created, again.row.seq, again.row.id) == (False, 1, first["id"])
    assert again.row.text == "once"


def test_repeats_at_once_are_one_message(alice: Person) -> None:
    uri = make_chat(alice)
    draft = Draft("once", uuid.uuid4())

    async def main() -> list[actions.Posted]:
        async def one() -> actions.Posted:
            parameters = connection_params("test-ws")
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as db:
                return await actions.apost_message(db, uri, row(alice), draft)

        return await asyncio.gather(*(one() for _ in range(8)))

    posted = asyncio.run(main())
    assert sum(one.created for one in posted) == 1
    assert {one.row.seq for one in posted} == {1}
    assert Chat.objects.get().last_seq == 1


def test_a_stranger_is_refused_with_the_reason(alice: Person, bob: Person) -> None:
    uri = make_chat(alice)
    draft = Draft("hi", None)
    with pytest.raises(permissions.Forbidden, match="not a member"):
        ask(lambda db: actions.apost_message(db, uri, row(bob), draft))
    with pytest.raises(permissions.NoSuchChat):
        ask(lambda db: actions.apost_message(db, "nowhere", row(bob), draft))
    with pytest.raises(permissions.NoSuchChat):
        ask(lambda db: actions.apost_message(db, "no\x00where", row(bob), draft))


def test_access_members_and_entries_agree(alice: Person, bob: Person, carol: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "one", "two")
    chat_id = Chat.objects.get().pk
    found = ask(lambda db: permissions.aaccess(db, uri, bob.id))
    assert found == permissions.access(uri, bob.id)
    assert ask(lambda db: members.amembers(db, chat_id)).members == members.members(chat_id)
    everyone = [(chat_id, person.id) for person in (alice, bob, carol)]
    entries = ask(lambda db: overview.aentries(db, everyone))
    by_user = {entry.user_id: entry for entry in entries}
    assert by_user == {
        alice.id: overview.page(alice.id, None, 10)[0][0],
        bob.id: overview.page(bob.id, None, 10)[0][0],
    }
    assert (by_user[alice.id].unread, by_user[bob.id].unread) == (0, 2)
    stretch = ask(lambda db: history.aafter(db, chat_id, 1, 10))
    assert stretch.rows == history.after(chat_id, 1, 10).rows


def test_reading_on_says_how_far_and_only_when_it_is_news(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "one", "two")
    chat_id = Chat.objects.get().pk
    both = [(chat_id, bob.id, 1), (chat_id, bob.id, 9)]
    assert ask(lambda db: actions.amark_read(db, both)) == [(chat_id, bob.id, 2)]
    assert ask(lambda db: actions.amark_read(db, [(chat_id, bob.id, 1)])) == []
    assert Membership.objects.get(user=bob.user).read_seq == 2


def test_a_session_is_open_until_it_ends(alice: Person) -> None:
    sid = alice.sid
    assert sid is not None
    found = ask(lambda db: sessions.afind(db, sid, alice.id))
    assert found is not None
    assert found.public == row(alice)
    assert found == sessions.find(sid, alice.id)
    assert ask(lambda db: sessions.afind(db, sid, alice.id + 1)) is None
    sessions.end(alice.id)
    assert ask(lambda db: sessions.afind(db, sid, alice.id)) is None
