"""Pages of messages."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from chat import history
from chat.models import Chat, Message
from tests.people import Person, make_chat, say


@pytest.fixture
def uri(alice: Person, bob: Person) -> str:
    uri = make_chat(alice, bob)
    say(alice, uri, *(str(number) for number in range(1, 8)))
    return uri


def page(person: Person, uri: str, **query: Any) -> tuple[list[int], bool]:
    answer = person.get(f"/api/chats/{uri}/messages/", **query)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return [message["seq"] for message in body["messages"]], body["has_more"]


def test_without_parameters_one_gets_the_newest_page(bob: Person, uri: str) -> None:
    assert page(bob, uri) == ([1, 2, 3, 4, 5, 6, 7], False)
    assert page(bob, uri, limit=3) == ([5, 6, 7], True)


def test_before_goes_back_and_after_goes_forth(bob: Person, uri: str) -> None:
    assert page(bob, uri, before=5, limit=2) == ([3, 4], True)
    assert page(bob, uri, before=3, limit=2) == ([1, 2], False)
    assert page(bob, uri, after=2, limit=2) == ([3, 4], True)
    assert page(bob, uri, after=5, limit=2) == ([6, 7], False)
    assert page(bob, uri, after=7) == ([], False)
    assert page(bob, uri, after=10**18) == ([], False)
    assert page(bob, uri, before=0) == ([], False)


def test_limit_is_clamped(bob: Person, uri: str) -> None:
    assert page(bob, uri, limit=0) == ([7], True)
    assert page(bob, uri, limit=-5) == ([7], True)
    assert len(page(bob, uri, limit=10**30)[0]) == 7
    assert len(page(bob, uri, limit="9" * 5_000)[0]) == 7
    assert page(bob, uri, limit="-" + "9" * 5_000) == ([7], True)
    assert page(bob, uri, limit="0" * 5_000 + "2") == ([6, 7], True)
    chat = Chat.objects.get()
    Message.objects.bulk_create(
        Message(chat=chat, seq=seq, author=bob.user, text="x") for seq in range(8, 260)
    )
    Chat.objects.update(last_seq=259)
    assert len(page(bob, uri)[0]) == 50
    assert len(page(bob, uri, limit=10**30)[0]) == 200


@pytest.mark.parametrize(
    "query",
    [
        {"after": 1, "before": 5},
        {"after": ""},
        {"after": "x"},
        {"after": -1},
        {"after": 2**63},
        {"after": "9" * 5000},
        {"after": "1.0"},
        {"after": "1_000"},
        {"after": "٣"},
        {"after": " 3"},
        {"after": "\x00"},
        {"before": "nan"},
        {"before": 2**64},
        {"limit": "x"},
        {"limit": ""},
        {"limit": "1e3"},
        {"limit": "0x10"},
    ],
)
def test_a_query_that_makes_no_sense_is_bad_input(
    bob: Person, uri: str, query: dict[str, Any]
) -> None:
    answer = bob.get(f"/api/chats/{uri}/messages/", **query)
    assert answer.status_code == 400
    (field,) = answer.json()
    assert field in ("after", "before", "limit")


def test_a_page_names_the_chat_and_holds_whole_messages(
    alice: Person, bob: Person, uri: str
) -> None:
    body = bob.get(f"/api/chats/{uri}/messages/", limit=1).json()
    assert (body["id"], body["uri"]) == (Chat.objects.get().pk, uri)
    (message,) = body["messages"]
    assert message == {
        "seq": 7,
        "id": Message.objects.get(seq=7).pk,
        "uri": uri,
        "user": {"id": alice.id, "username": "alice", "first_name": "", "last_name": ""},
        "message": "7",
        "client_id": None,
        "create_date": message["create_date"],
    }


def test_a_page_is_found_by_the_index_wherever_in_the_history(alice: Person, uri: str) -> None:
    chat = Chat.objects.get()
    Message.objects.bulk_create(
        Message(chat=chat, seq=seq, author=alice.user, text="x") for seq in range(8, 5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")
        for sql in (history.AFTER_SQL, history.BEFORE_SQL, history.NEWEST_SQL):
            cursor.execute(f"EXPLAIN {sql}", {"chat_id": chat.pk, "seq": 2500, "limit": 51})
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on chat_message" not in plan, plan
            assert "Sort" not in plan, plan
            assert "message_seq_once" in plan, plan
