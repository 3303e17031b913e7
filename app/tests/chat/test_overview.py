"""The list of one's chats, and how far one has read."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import overview
from chat.models import Chat, Membership
from tests.people import Person, make_chat, nobody, say


def entries(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = person.get("/api/chats/", **query)
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def read(person: Person, uri: str, seq: Any) -> int:
    status: int = person.post(f"/api/chats/{uri}/read/", {"seq": seq}).status_code
    return status


def test_an_entry_says_where_the_chat_stands(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    posted = say(alice, uri, "one", "two")[-1]
    (entry,) = entries(bob)
    del posted["status"]
    assert entry == {
        "uri": uri,
        "owner": {"id": alice.id, "username": "alice", "first_name": "", "last_name": ""},
        "last_message": posted,
        "last_seq": 2,
        "unread": 2,
        "update_date": posted["create_date"],
    }


def test_a_new_chat_has_no_last_message(alice: Person) -> None:
    make_chat(alice)
    (entry,) = entries(alice)
    assert (entry["last_message"], entry["last_seq"], entry["unread"]) == (None, 0, 0)


def test_the_list_holds_ones_own_chats_only(alice: Person, bob: Person) -> None:
    make_chat(alice)
    assert entries(bob) == []
    assert nobody().get("/api/chats/").status_code == 401


def test_what_one_said_oneself_is_never_unread(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "one")
    say(bob, uri, "two")
    say(alice, uri, "three")
    assert (entries(alice)[0]["unread"], entries(bob)[0]["unread"]) == (1, 2)


def test_reading_on_lowers_what_is_unread_and_never_goes_back(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "one", "two", "three")
    assert read(bob, uri, 2) == 204
    assert entries(bob)[0]["unread"] == 1
    assert read(bob, uri, 1) == 204
    assert entries(bob)[0]["unread"] == 1


def test_what_was_said_before_one_came_is_neither_unread_nor_read(
    alice: Person, bob: Person
) -> None:
    uri = make_chat(alice)
    say(alice, uri, "one", "two")
    assert bob.patch(f"/api/chats/{uri}/", {"username": "bob"}).status_code == 200
    membership = Membership.objects.get(user=bob.user)
    assert (membership.joined_seq, membership.read_seq) == (2, 0)
    assert entries(bob)[0]["unread"] == 0
    say(alice, uri, "three")
    assert read(bob, uri, 1) == 204
    assert entries(bob)[0]["unread"] == 1
    assert read(bob, uri, 3) == 204
    assert entries(bob)[0]["unread"] == 0


def test_reading_beyond_the_end_is_reading_to_the_end(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(alice, uri, "one")
    assert read(bob, uri, 2**63 - 1) == 204
    assert Membership.objects.get(user=bob.user).read_seq == 1
    say(alice, uri, "two")
    assert entries(bob)[0]["unread"] == 1


@pytest.mark.parametrize("seq", [None, "", "x", "5", -1, 2**63, 10**400, 1.5, True, [1], {"a": 1}])
def test_what_is_no_seq_is_bad_input(alice: Person, seq: Any) -> None:
    assert read(alice, make_chat(alice), seq) == 400


def test_a_seq_may_come_from_a_form(alice: Person) -> None:
    uri = make_chat(alice)
    say(alice, uri, "one")
    path = f"/api/chats/{uri}/read/"
    form = "application/x-www-form-urlencoded"
    assert alice.post(path, "seq=1", content_type=form).status_code == 204
    assert alice.post(path, "seq=+1", content_type=form).status_code == 400
    assert alice.post(path, "seq=" + "9" * 30, content_type=form).status_code == 400


def test_far_behind_unread_is_not_counted_one_by_one(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    say(bob, uri, "one")
    Chat.objects.update(last_seq=overview.UNREAD_EXACT_LIMIT + 500)
    (entry,) = entries(bob)
    assert entry["unread"] == overview.UNREAD_EXACT_LIMIT + 500


def test_pages_hold_every_chat_once_newest_activity_first(alice: Person) -> None:
    uris = [make_chat(alice) for _ in range(7)]
    # The same moment for some: the order must not depend on it.
    Chat.objects.filter(uri__in=uris[2:5]).update(
        update_date=Chat.objects.get(uri=uris[2]).update_date
    )
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = alice.get("/api/chats/", **query).json()
        seen += [entry["uri"] for entry in body["results"]]
        cursor = body["next"]
        if cursor is None:
            break
    assert seen == [uris[n] for n in (6, 5, 4, 3, 2, 1, 0)]


def test_the_last_page_has_no_next_even_when_it_is_full(alice: Person) -> None:
    for _ in range(2):
        make_chat(alice)
    assert alice.get("/api/chats/", limit=2).json()["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": ""},
        {"cursor": "x"},
        {"cursor": "\x00"},
        {"cursor": "ü"},
        {"cursor": "MS4y" * 1000},
        {"cursor": "MTA="},
        {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x"},
        {"cursor": "MS45OTk5OTk5OTk5OTk5OTk5OTk5OTk5"},
        {"cursor": "MS4tMQ=="},
        {"limit": "ten"},
    ],
)
def test_a_query_that_makes_no_sense_is_bad_input(alice: Person, query: dict[str, Any]) -> None:
    assert alice.get("/api/chats/", **query).status_code == 400


def test_the_list_costs_one_statement_however_many_chats(alice: Person) -> None:
    for _ in range(5):
        say(alice, make_chat(alice), "hi")
    with CaptureQueriesContext(connection) as queries:
        assert len(entries(alice)) == 5
    assert len(queries) == 2
