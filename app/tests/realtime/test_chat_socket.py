"""The way of a message to every member's socket, and what is said around it."""

from __future__ import annotations

import uuid

from tests.people import Person
from tests.realtime.clients import chat
from tests.realtime.rooms import make_room, post
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]


def test_a_message_posted_over_http_reaches_the_sockets_of_both_workers(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        one.ready()
        two.ready()
        seq = post(alice, uri, "grüße 🎈")
        for client in (one, two):
            frame = client.expect("message")
            assert frame["seq"] == seq
            assert frame["message"] == "grüße 🎈"
            assert frame["uri"] == uri
            assert frame["user"] == {
                "id": alice.id,
                "username": alice.username,
                "first_name": "",
                "last_name": "",
            }
            client.nothing("message", 0.2)


def test_a_message_sent_on_a_socket_is_acked_and_reaches_everyone_once(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        one.ready()
        two.ready()
        client_id = one.say("hello")
        ack = one.expect("ack")
        assert ack == {"type": "ack", "client_id": client_id, "seq": 1, "id": ack["id"]}
        # Behind the ack, for whoever waits for the one and then for the other.
        assert one.expect("message")["seq"] == 1
        got = two.expect("message")
        assert (got["seq"], got["id"], got["client_id"]) == (1, ack["id"], client_id)
        one.nothing("error", 0.3)
        assert [frame["seq"] for frame in one.seen if frame["type"] == "message"] == [1]
        two.nothing("message", 0.2)


def test_a_frame_without_type_is_a_message_and_its_ack_has_no_client_id(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as one:
        one.ready()
        one.send({"message": "plain"})
        assert one.expect("ack")["client_id"] is None


def test_a_repeated_message_is_acked_with_the_first_seq_and_delivered_to_nobody(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        one.ready()
        two.ready()
        client_id = one.say("once", str(uuid.uuid4()).upper())
        first = one.expect("ack")
        assert first["client_id"] == client_id.lower()
        two.expect("message")
        one.say("once", client_id)
        assert one.expect("ack") == first
        two.nothing("message", 0.4)
        assert one.posts("next")["seq"] == 2


def test_nothing_but_what_was_missed_comes_before_ready(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    for _ in range(5):
        post(alice, uri)
    with chat(workers[0], bob, uri, "?after=2") as client:
        assert [client.next()["type"] for _ in range(5)] == [
            "message",
            "message",
            "message",
            "ready",
            "presence",
        ]
        assert [frame["seq"] for frame in client.seen[:4]] == [3, 4, 5, 5]
    with chat(workers[0], bob, uri) as client:
        assert client.next() == {"type": "ready", "seq": 5, "epoch": client.seen[0]["epoch"]}


def test_frames_of_one_socket_are_served_in_their_order(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        sent = [client.say(str(number)) for number in range(50)]
        acks = [client.expect("ack") for _ in sent]
        assert [ack["client_id"] for ack in acks] == sent
        assert [ack["seq"] for ack in acks] == list(range(1, 51))


def test_typing_is_shown_to_others_and_not_to_oneself(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with (
        chat(workers[0], alice, uri) as one,
        chat(workers[1], alice, uri) as own,
        chat(workers[1], bob, uri) as two,
    ):
        for client in (one, own, two):
            client.ready()
        one.send({"type": "typing"})
        assert two.expect("typing")["user"]["username"] == alice.username
        one.nothing("typing", 0.3)
        own.nothing("typing", 0.1)
        # Said again at once, it says nothing new.
        one.send({"type": "typing"})
        two.nothing("typing", 0.3)


def test_reading_is_shown_to_everyone_and_never_goes_back(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    for _ in range(3):
        post(alice, uri)
    with chat(workers[0], alice, uri) as one, chat(workers[1], bob, uri) as two:
        one.ready()
        two.ready()
        two.send({"type": "read", "seq": 2})
        read = one.expect("read")
        assert (read["seq"], read["user"]["username"]) == (2, bob.username)
        two.expect("read")
        two.send({"type": "read", "seq": 1})
        one.nothing("read", 0.4)
        # There is nothing beyond the last message to have read.
        two.send({"type": "read", "seq": 2**63 - 1})
        assert one.expect("read")["seq"] == 3
