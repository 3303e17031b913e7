"""The list of one's chats, live."""

from __future__ import annotations

from chat import actions, epoch, roster
from chat.models import Chat, Message
from tests.people import Person, sign_in
from tests.realtime.clients import Frame, chat, inbox
from tests.realtime.rooms import chat_id, make_room, post, user_of
from tests.realtime.waiting import query
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]


def test_a_new_message_shows_in_every_members_inbox(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with inbox(workers[0], alice) as one, inbox(workers[1], bob) as two:
        post(alice, uri, "first")
        frame = two.expect("chat", where=lambda frame: frame["last_seq"] == 1)
        assert set(frame) == {"type", "uri", "last_message", "last_seq", "unread"}
        assert (frame["uri"], frame["unread"]) == (uri, 1)
        assert frame["last_message"]["message"] == "first"
        assert frame["last_message"]["user"]["username"] == alice.username
        # One's own messages are not unread.
        assert one.expect("chat", where=lambda frame: frame["last_seq"] == 1)["unread"] == 0


def test_many_messages_at_once_are_few_frames(workers: Pair, alice: Person, bob: Person) -> None:
    uri = make_room(alice, bob)
    with inbox(workers[0], bob) as client:
        for _ in range(30):
            post(alice, uri)
        frame = client.expect("chat", where=lambda frame: frame["last_seq"] == 30)
        assert frame["unread"] == 30
        assert len([seen for seen in client.seen if seen["type"] == "chat"]) < 10


def test_reading_on_any_device_shows_in_the_inbox(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    post(alice, uri)
    post(alice, uri)
    with inbox(workers[0], bob) as client:
        actions.mark_read(chat_id(uri), user_of(bob), 1)
        assert client.expect("chat", where=lambda frame: frame["unread"] == 1)["uri"] == uri
        with chat(workers[1], sign_in(user_of(bob)), uri) as other:
            other.ready()
            other.send({"type": "read", "seq": 2})
            client.expect("chat", where=lambda frame: frame["unread"] == 0)


def test_joining_leaving_and_removal_show_in_the_inbox(
    workers: Pair, alice: Person, bob: Person
) -> None:
    with inbox(workers[1], bob) as client:
        uri = make_room(alice, bob)
        assert client.expect("chat")["uri"] == uri
        roster.remove_member(uri, user_of(bob), user_of(bob))
        assert client.expect("left") == {"type": "left", "uri": uri}
        roster.add_member(uri, user_of(alice), user_of(bob))
        assert client.expect("chat")["uri"] == uri
        roster.remove_member(uri, user_of(alice), user_of(bob))
        assert client.expect("left") == {"type": "left", "uri": uri}
        post(alice, uri, "secret")
        client.nothing("chat", 0.6)


def test_ones_own_new_chat_shows_in_the_inbox(workers: Pair, alice: Person) -> None:
    with inbox(workers[0], alice) as client:
        uri = make_room(alice)
        frame: Frame = client.expect("chat")
        assert frame == {
            "type": "chat",
            "uri": uri,
            "last_message": None,
            "last_seq": 0,
            "unread": 0,
        }


def test_numbers_that_a_restore_took_back_are_shown_and_counted_on_from(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    for _ in range(5):
        post(alice, uri)
    with inbox(workers[0], bob) as client:
        post(alice, uri)
        client.expect("chat", where=lambda frame: frame["last_seq"] == 6)
        Message.objects.filter(chat__uri=uri, seq__gt=2).delete()
        Chat.objects.filter(uri=uri).update(last_seq=2)
        client.expect("chat", where=lambda frame: frame["last_seq"] == 2)
        post(alice, uri, "three")
        frame = client.expect("chat", where=lambda frame: frame["last_seq"] == 3)
        assert frame["last_message"]["message"] == "three"


def test_another_history_has_the_list_fetched_anew(workers: Pair, alice: Person) -> None:
    with inbox(workers[0], alice) as client, chat(workers[0], alice, make_room(alice)) as other:
        other.ready()
        epoch.renew()
        assert client.closed() == 1012


def test_what_changes_right_after_the_handshake_is_not_lost(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    for turn in range(1, 16):
        with inbox(workers[turn % 2], bob) as client:
            # The client fetches its list here; this message is not in it.
            post(alice, uri)
            client.expect("chat", 3, where=lambda frame: frame["last_seq"] == turn)  # noqa: B023


def test_a_change_during_a_deaf_moment_is_found(
    workers: Pair, alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_room(alice, bob)
    other = make_room(alice)
    with inbox(workers[0], bob) as client:
        post(alice, uri)
        client.expect("chat")
        # Nobody is told of these: the layer's rows are gone before anyone could read them.
        query("SELECT pg_terminate_backend(%s)", workers[0].listener_pid())
        query("DELETE FROM chat_membership WHERE user_id = %s", bob.id)
        query(
            "INSERT INTO chat_membership (chat_id, user_id, read_seq) VALUES (%s, %s, 0)",
            chat_id(other),
            bob.id,
        )
        kinds = {client.next(5)["type"], client.next(5)["type"]}
        assert kinds == {"left", "chat"}


def test_an_inbox_takes_no_frames_but_auth(workers: Pair, alice: Person) -> None:
    with inbox(workers[0], alice) as client:
        client.send({"type": "auth", "token": alice.access})
        client.nothing("error", 0.2)
        client.send({"type": "typing"})
        assert client.closed() == 4400
