"""Posting a message over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from accounts import sessions
from chat import actions
from chat.drafts import Draft
from chat.models import Chat, Message
from chatire.settings.base import database_options
from realtime.conninfo import connection_params
from realtime.flusher import hint_thread
from realtime.hints import Hint
from tests.people import Person, make_chat, say


@pytest.fixture
def uri(alice: Person, bob: Person) -> str:
    return make_chat(alice, bob)


def post(person: Person, uri: str, **body: Any) -> Any:
    return person.post(f"/api/chats/{uri}/messages/", body)


def test_the_answer_says_everything_about_the_message(bob: Person, uri: str) -> None:
    client_id = str(uuid.uuid4())
    answer = post(bob, uri, message="  hello  ", client_id=client_id)
    assert answer.status_code == 201
    body = answer.json()
    stored = Message.objects.get()
    assert body == {
        "status": "SUCCESS",
        "uri": uri,
        "message": "  hello  ",
        "user": {"id": bob.id, "username": "bob", "first_name": "", "last_name": ""},
        "id": stored.pk,
        "seq": 1,
        "client_id": client_id,
        "create_date": body["create_date"],
    }
    assert body["create_date"].endswith("Z")
    assert datetime.fromisoformat(body["create_date"]) == stored.create_date


def test_a_message_costs_one_statement(
    bob: Person, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who bob is, whether he may, and the message itself: asked and stored in one round trip."""
    statements: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        statements.append(str(query))
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    assert post(bob, uri, message="hi").status_code == 201
    assert len(statements) == 1, statements
    assert "accounts_session" in statements[0]
    assert "INSERT INTO chat_message" in statements[0]


@pytest.fixture
def as_http(transactional_db: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this thread's connection the options that the http tier has."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", database_options("http"))
    yield
    connection.close()


def test_the_statement_is_parsed_and_planned_once_a_connection(
    as_http: None, bob: Person, uri: str
) -> None:
    """Else PostgreSQL reads a page of SQL with each message."""
    for number in range(3):
        assert post(bob, uri, message=str(number)).status_code == 201
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans + custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%accounts_session%INSERT INTO chat_message%'"
        )
        assert cursor.fetchall() == [(3,)]


@pytest.mark.parametrize("content", ["application/json", "application/x-www-form-urlencoded"])
def test_the_short_way_and_the_long_one_answer_alike(bob: Person, uri: str, content: str) -> None:
    """JSON is answered before DRF, a form by it."""
    client_id = str(uuid.uuid4())
    first = post(bob, uri, message="ü\u2028", client_id=client_id)
    body: Any = {"message": "ignored", "client_id": client_id}
    if content != "application/json":
        body = urlencode(body)
    again = bob.post(f"/api/chats/{uri}/messages/", body, content_type=content)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options", "X-Frame-Options"):
        assert again[name] == first[name]


@pytest.mark.parametrize("end", ["sign out", "deactivate"])
def test_whose_session_is_over_stores_nothing(bob: Person, uri: str, end: str) -> None:
    """The token was good a moment ago, and its signature still is."""
    client_id = str(uuid.uuid4())
    assert post(bob, uri, message="before", client_id=client_id).status_code == 201
    if end == "sign out":
        sessions.end(bob.id, only=bob.sid)
    else:
        User.objects.filter(pk=bob.id).update(is_active=False)
    for body in ({"message": "after"}, {"message": "", "client_id": client_id}, {"message": ""}):
        answer = post(bob, uri, **body)
        assert (answer.status_code, answer.json()["code"]) == (401, "session_over")
    # A repeat of what is stored is no way in either.
    assert post(bob, uri, message="before", client_id=client_id).status_code == 401
    assert Message.objects.count() == 1


def test_a_repeat_is_answered_with_the_first_and_uses_up_no_seq(bob: Person, uri: str) -> None:
    client_id = str(uuid.uuid4())
    first = post(bob, uri, message="hello", client_id=client_id)
    again = post(bob, uri, message="changed", client_id=client_id.upper())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert Message.objects.count() == 1
    assert post(bob, uri, message="next").json()["seq"] == 2


def test_a_client_id_belongs_to_one_user_in_one_chat(alice: Person, bob: Person, uri: str) -> None:
    client_id = str(uuid.uuid4())
    other = make_chat(bob)
    answers = [
        post(bob, uri, message="a", client_id=client_id),
        post(alice, uri, message="b", client_id=client_id),
        post(bob, other, message="c", client_id=client_id),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]


def test_without_a_client_id_the_same_text_is_another_message(bob: Person, uri: str) -> None:
    assert post(bob, uri, message="hi").json()["client_id"] is None
    assert post(bob, uri, message="hi", client_id=None).json()["seq"] == 2


def test_a_client_id_is_answered_in_canonical_form(bob: Person, uri: str) -> None:
    client_id = uuid.uuid4()
    answer = post(bob, uri, message="hi", client_id=client_id.hex.upper())
    assert answer.json()["client_id"] == str(client_id)


def test_someone_removed_gets_no_answer_to_an_old_client_id(
    alice: Person, bob: Person, uri: str
) -> None:
    client_id = str(uuid.uuid4())
    assert post(bob, uri, message="hi", client_id=client_id).status_code == 201
    alice.delete(f"/api/chats/{uri}/members/bob/")
    assert post(bob, uri, message="hi", client_id=client_id).status_code == 403


def test_form_data_is_as_good_as_json(bob: Person, uri: str) -> None:
    path = f"/api/chats/{uri}/messages/"
    form = bob.post(
        path, "message=a%20b&client_id=", content_type="application/x-www-form-urlencoded"
    )
    assert (form.status_code, form.json()["message"]) == (201, "a b")
    parts = bob.client.post(path, {"message": "c"}, headers={"Authorization": f"JWT {bob.access}"})
    assert (parts.status_code, parts.json()["message"]) == (201, "c")


def test_a_file_is_no_message(bob: Person, uri: str) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    parts = bob.client.post(
        f"/api/chats/{uri}/messages/",
        {"message": SimpleUploadedFile("a.txt", b"hello")},
        headers={"Authorization": f"JWT {bob.access}"},
    )
    assert parts.status_code == 400


@pytest.mark.parametrize(
    "text", ["x" * 2000, "\U0001f600" * 2000, "\u202eabc", "a\nb", "\ufeff.", "<script>"]
)
def test_all_other_text_is_taken_as_it_is(bob: Person, uri: str, text: str) -> None:
    assert post(bob, uri, message=text).json()["message"] == text
    assert Message.objects.get().text == text


@pytest.mark.parametrize(
    "body",
    [
        '{"message": ""}',
        '{"message": " \\t\\n\\u00a0\\u3000"}',
        '{"message": null}',
        '{"message": 5}',
        '{"message": true}',
        '{"message": ["hi"]}',
        '{"message": {"a": "b"}}',
        '{"message": "a\\u0000b"}',
        '{"message": "\\ud800"}',
        '{"message": "\\udc00\\ud800"}',
        '{"message": "' + "x" * 2001 + '"}',
        '{"text": "hi"}',
        "{}",
        '"hi"',
        '["hi"]',
        "null",
        "5",
        '{"message": "hi", "client_id": "nonsense"}',
        '{"message": "hi", "client_id": 5}',
        '{"message": "hi", "client_id": ""}',
        '{"message": "hi", "client_id": "{12345678-1234-1234-1234-123456789abc}"}',
        '{"message": "hi", "client_id": "12345678-1234-1234-1234-123456789ab\\u0000"}',
    ],
)
def test_what_is_no_message_is_refused_and_nothing_is_stored(
    bob: Person, uri: str, body: str
) -> None:
    answer = bob.post(f"/api/chats/{uri}/messages/", body)
    assert answer.status_code == 400, answer.content
    assert Message.objects.count() == 0
    assert Chat.objects.get().last_seq == 0


def test_a_surrogate_pair_in_escapes_is_one_character(bob: Person, uri: str) -> None:
    answer = bob.post(f"/api/chats/{uri}/messages/", '{"message": "\\ud83d\\ude00"}')
    assert answer.json()["message"] == "\U0001f600"


def test_unknown_fields_are_ignored(bob: Person, uri: str) -> None:
    answer = post(bob, uri, message="hi", seq=99, user="alice", type="x")
    assert (answer.status_code, answer.json()["seq"]) == (201, 1)
    assert answer.json()["user"]["username"] == "bob"


def test_the_chat_moves_up_when_someone_speaks(bob: Person, uri: str) -> None:
    other = make_chat(bob)
    assert [e["uri"] for e in bob.get("/api/chats/").json()["results"]] == [other, uri]
    say(bob, uri, "hi")
    assert [e["uri"] for e in bob.get("/api/chats/").json()["results"]] == [uri, other]


@pytest.mark.django_db(transaction=True)
class TestHints:
    """The hint goes out behind the commit, and only then."""

    def listen(self) -> psycopg.Connection[Any]:
        listener = psycopg.connect(**connection_params("test-listener"), autocommit=True)
        listener.execute("LISTEN chatire_hints")
        return listener

    def test_a_stored_message_is_hinted_at_once(self, bob: Person, uri: str) -> None:
        with self.listen() as listener:
            row = post(bob, uri, message="hi").json()
            (heard,) = listener.notifies(timeout=5, stop_after=1)
        chat_id, seq, departures, frame = heard.payload.split(" ", 3)
        assert (int(chat_id), int(seq)) == (Chat.objects.get().pk, 1)
        assert departures == "0"
        assert f'"id":{row["id"]}' in frame

    def test_hints_that_follow_one_another_soon_go_out_together(self) -> None:
        """The first at once; what comes right behind it shares a NOTIFY."""
        with self.listen() as listener:
            for seq in range(40):
                hint_thread.put(Hint(1, seq, 0, ""))
                time.sleep(0.001)
            hint_thread.close()
            with connection.cursor() as cursor:
                cursor.execute("NOTIFY chatire_hints, 'mark'")
            heard = []
            for notification in listener.notifies(timeout=5):
                if notification.payload == "mark":
                    break
                heard.append([line.split()[1] for line in notification.payload.splitlines()])
        assert [seq for payload in heard for seq in payload] == [str(seq) for seq in range(40)]
        assert heard[0] == ["0"]
        assert len(heard) < 20

    def test_a_repeat_is_hinted_at_no_more(self, bob: Person, uri: str) -> None:
        client_id = str(uuid.uuid4())
        with self.listen() as listener:
            post(bob, uri, message="hi", client_id=client_id)
            post(bob, uri, message="hi", client_id=client_id)
            hint_thread.close()
            # Everything the flusher had is sent; the mark comes behind it.
            with connection.cursor() as cursor:
                cursor.execute("NOTIFY chatire_hints, 'mark'")
            heard = [n.payload for n in listener.notifies(timeout=5, stop_after=2)]
        assert [payload.split(" ")[0] for payload in heard] == [str(Chat.objects.get().pk), "mark"]

    def test_what_is_rolled_back_is_told_to_nobody(self, bob: Person, uri: str) -> None:
        assert bob.user is not None
        with self.listen() as listener:
            with transaction.atomic():
                posted = actions.post_message(uri, bob.user, Draft("never", None))
                assert posted.created
                transaction.set_rollback(True)
            hint_thread.close()
            with connection.cursor() as cursor:
                cursor.execute("NOTIFY chatire_hints, 'mark'")
            heard = [n.payload for n in listener.notifies(timeout=5, stop_after=1)]
        assert heard == ["mark"]
        assert Message.objects.count() == 0
