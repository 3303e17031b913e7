"""Who gets in, and who is shown out: member, never-member, removed, signed out, no such chat."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from websockets.exceptions import InvalidStatus

from accounts import sessions
from chat import actions, permissions, roster
from tests.people import Person, make_person, sign_in
from tests.realtime.clients import Client, chat, inbox
from tests.realtime.rooms import chat_id, make_room, post, user_of
from tests.realtime.waiting import query
from tests.realtime.workers import ORIGIN, Worker

Pair = tuple[Worker, Worker]


def token(person: Person, key: str = "", algorithm: str = "HS256", **claims: Any) -> str:
    """An access token with some claims changed."""
    body = {
        "token_type": "access",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "iat": datetime.now(UTC),
        "jti": uuid.uuid4().hex,
        "user_id": str(person.id),
        "sid": str(person.sid),
        **claims,
    }
    body = {name: value for name, value in body.items() if value is not None}
    signing = key or str(settings.SIMPLE_JWT["SIGNING_KEY"])
    return jwt.encode(body, signing if algorithm != "none" else "", algorithm=algorithm)


def test_a_member_gets_in_by_subprotocol_and_the_server_selects_chatire(
    workers: Pair, alice: Person
) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        assert client.socket.subprotocol == "chatire"
        client.ready()


def test_a_member_gets_in_by_a_first_frame(workers: Pair, alice: Person) -> None:
    with chat(workers[0], None, make_room(alice)) as client:
        assert client.socket.subprotocol is None
        client.send({"type": "auth", "token": alice.access})
        client.ready()


@pytest.mark.parametrize("frame", ["{}", "[]", "x", '{"type":"typing"}', '{"message":"x"}', b"x"])
def test_a_first_frame_that_is_not_auth_is_closed_4401(
    workers: Pair, alice: Person, frame: str | bytes
) -> None:
    with chat(workers[0], None, make_room(alice)) as client:
        client.socket.send(frame)
        assert client.closed() == 4401


@pytest.mark.parametrize("value", [None, 1, True, [], {}, "", "x", "a.b.c", "\ud800", "\x00"])
def test_a_first_frame_with_a_bad_token_is_closed_4401(
    workers: Pair, alice: Person, value: object
) -> None:
    with inbox(workers[0], None) as client:
        client.send({"type": "auth", "token": value})
        assert client.closed() == 4401


@pytest.mark.slow
def test_a_client_that_sends_no_token_is_closed_4401_after_ten_seconds(
    workers: Pair, alice: Person
) -> None:
    with chat(workers[0], None, make_room(alice)) as client:
        began = time.monotonic()
        assert client.closed(13) == 4401
        assert 9 < time.monotonic() - began < 12


def bad_tokens(person: Person) -> dict[str, str]:
    past = datetime.now(UTC) - timedelta(seconds=1)
    body = token(person).split(".")
    return {
        "expired": token(person, exp=past),
        "forged": token(person, key="x" * 64),
        "unsigned": token(person, algorithm="none"),
        "signature cut off": ".".join([*body[:2], ""]),
        "refresh": person.refresh or "",
        "no session": token(person, sid=None),
        "no such session": token(person, sid=str(uuid.uuid4())),
        "nonsense session": token(person, sid="x"),
        "no user": token(person, user_id=None),
        "no such user": token(person, user_id="2147483647"),
        "impossible user": token(person, user_id=str(2**70)),
        "no expiry": token(person, exp=None),
        "other algorithm": token(person, algorithm="HS512"),
    }


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_bad_tokens_are_closed_4401(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], None, uri, subprotocols=["chatire", f"jwt.{token(alice)}"]) as client:
        client.ready()
    codes = {}
    for name, bad in bad_tokens(alice).items():
        with chat(workers[0], None, uri, subprotocols=["chatire", f"jwt.{bad}"]) as client:
            codes[name] = client.closed()
    assert set(codes.values()) == {4401}, codes


def test_somebody_elses_session_is_closed_4401(workers: Pair, alice: Person, bob: Person) -> None:
    stolen = token(alice, sid=str(bob.sid))
    with inbox(workers[0], None, subprotocols=["chatire", f"jwt.{stolen}"]) as client:
        assert client.closed() == 4401


def test_a_stranger_is_closed_4403_and_a_wrong_chat_4404(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice)
    with chat(workers[0], bob, uri) as client:
        assert client.closed() == 4403
    with chat(workers[0], bob, "no-such-chat") as client:
        assert client.closed() == 4404
    # The order of the checks: not signed in comes before everything.
    with chat(workers[0], None, "no-such-chat", subprotocols=["chatire", "jwt.x"]) as client:
        assert client.closed() == 4401
    with chat(workers[0], bob, uri, "?after=x") as client:
        assert client.closed() == 4403


def test_a_removed_member_is_closed_4403_on_every_worker_and_hears_nothing_more(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with (
        chat(workers[0], alice, uri) as stays,
        chat(workers[0], bob, uri) as one,
        chat(workers[1], bob, uri) as two,
    ):
        for client in (stays, one, two):
            client.ready()
        roster.remove_member(uri, user_of(alice), user_of(bob))
        post(alice, uri, "secret")
        assert one.closed(2) == two.closed(2) == 4403
        assert not [frame for frame in one.seen + two.seen if frame.get("message") == "secret"]
        stays.expect("members", where=lambda frame: len(frame["members"]) == 1)
        stays.expect("presence", where=lambda frame: len(frame["online"]) == 1)
    with chat(workers[0], bob, uri) as client:
        assert client.closed() == 4403


def test_what_is_said_right_after_a_removal_never_reaches_the_removed(
    workers: Pair, alice: Person, bob: Person
) -> None:
    for turn in range(25):
        # One of its own: a worker may hear of a removal when the removed is back already, and then
        # sends away to come back.
        uri = make_room(alice, bob)
        with chat(workers[turn % 2], bob, uri) as client:
            client.ready()
            roster.remove_member(uri, user_of(alice), user_of(bob))
            post(alice, uri, "secret")
            assert client.closed(3) == 4403
            assert not [frame for frame in client.seen if frame["type"] == "message"]


@pytest.mark.parametrize("hinted", [True, False])
def test_what_is_said_after_a_removal_that_no_worker_heard_of_never_reaches_the_removed(
    workers: Pair, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch, hinted: bool
) -> None:
    """The event is lost, as with a LISTEN connection cut at that moment; the hint, or not even it.

    Without `departures` the message reached the removed at once, or with the next tick.
    """
    uri = make_room(alice, bob)
    with chat(workers[0], bob, uri) as removed, chat(workers[0], alice, uri) as stays:
        removed.ready()
        stays.ready()
        monkeypatch.setattr(roster, "_members_changed", lambda *arguments: None)
        roster.remove_member(uri, user_of(alice), user_of(bob))
        if not hinted:
            monkeypatch.setattr(actions, "hint", lambda *arguments: None)
        post(alice, uri)
        assert stays.expect("message")["seq"] == 1
        assert removed.closed() == 4403
        assert not [frame for frame in removed.seen if frame["type"] == "message"]


def test_a_worker_that_posts_before_it_hears_of_a_removal_shows_the_removed_nothing(
    workers: Pair, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker hands its own sockets' messages on without a way through the database."""
    uri = make_room(alice, bob)
    with chat(workers[0], bob, uri) as removed, chat(workers[0], alice, uri) as stays:
        removed.ready()
        stays.ready()
        monkeypatch.setattr(roster, "_members_changed", lambda *arguments: None)
        roster.remove_member(uri, user_of(alice), user_of(bob))
        stays.posts("without bob")
        assert removed.closed() == 4403
        assert not [frame for frame in removed.seen if frame["type"] == "message"]


def test_a_member_removed_and_let_in_again_at_once_resumes_or_is_told(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    for _ in range(5):
        with chat(workers[0], bob, uri) as client:
            client.ready()
            roster.remove_member(uri, user_of(alice), user_of(bob))
            roster.add_member(uri, user_of(alice), user_of(bob))
            assert client.closed(3) in (1012, 4403)
        with chat(workers[0], bob, uri) as client:
            client.ready()


def test_a_removal_behind_the_workers_back_is_found_within_seconds(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], bob, uri) as client:
        client.ready()
        query("DELETE FROM chat_membership WHERE user_id = %s", bob.id)
        client.say("not any more")
        assert client.closed(2) == 4403
    roster.add_member(uri, user_of(alice), user_of(bob))
    with chat(workers[0], bob, uri) as client:
        client.ready()
        query("DELETE FROM chat_membership WHERE user_id = %s", bob.id)
        assert client.closed(8) == 4403


def test_joining_is_shown_to_everyone(workers: Pair, alice: Person, bob: Person) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as one, chat(workers[1], alice, uri) as two:
        one.ready()
        two.ready()
        roster.add_member(uri, user_of(bob), user_of(bob))
        for client in (one, two):
            names = [user["username"] for user in client.expect("members")["members"]]
            assert names == [alice.username, bob.username]


def test_a_deleted_chat_closes_its_sockets(workers: Pair, alice: Person, bob: Person) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], bob, uri) as client:
        client.ready()
        roster.delete_chats([chat_id(uri)])
        assert client.closed() in (4403, 4404)


def test_signing_out_closes_that_sessions_sockets_on_every_worker_with_4401(
    workers: Pair, alice: Person
) -> None:
    other = sign_in(user_of(alice))
    uri = make_room(alice)
    with (
        chat(workers[0], alice, uri) as one,
        inbox(workers[1], alice) as two,
        chat(workers[1], other, uri) as stays,
    ):
        one.ready()
        stays.ready()
        sessions.end(alice.id, only=alice.sid)
        assert one.closed(2) == two.closed(2) == 4401
        stays.posts("still here")
    with chat(workers[0], alice, uri) as client:
        assert client.closed() == 4401


def test_an_inactive_users_sockets_close_even_when_nobody_said_so(
    workers: Pair, alice: Person
) -> None:
    with inbox(workers[0], alice) as client:
        time.sleep(0.2)
        User.objects.filter(pk=alice.id).update(is_active=False)
        assert client.closed(8) == 4401


def test_a_token_that_runs_out_closes_the_socket_unless_it_is_renewed(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    short = token(alice, exp=datetime.now(UTC) + timedelta(seconds=5))
    offer = ["chatire", f"jwt.{short}"]
    with (
        chat(workers[0], None, uri, subprotocols=offer) as lapses,
        chat(workers[0], None, uri, subprotocols=offer) as renews,
    ):
        lapses.ready()
        renews.ready()
        renews.send({"type": "auth", "token": alice.access})
        assert lapses.closed(8) == 4401
        renews.posts("still here")
        renews.nothing("error", 1.5)


def test_a_renewal_with_a_bad_or_foreign_token_is_closed_4401(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice)
    for bad in ("x", token(alice, key="x" * 64), bob.access, alice.refresh):
        with chat(workers[0], alice, uri) as client:
            client.ready()
            client.send({"type": "auth", "token": bad})
            assert client.closed() == 4401
    with chat(workers[0], alice, uri) as client:
        client.ready()
        client.send({"type": "auth", "token": 5})
        assert client.expect("error")["code"] == "invalid"
        client.send({"type": "auth", "token": alice.access})
        client.posts("fine")


def test_signing_out_after_a_renewal_closes_the_socket_of_the_new_session_only(
    workers: Pair, alice: Person
) -> None:
    other = sign_in(user_of(alice))
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.send({"type": "auth", "token": other.access})
        client.posts("renewed")
        sessions.end(alice.id, only=alice.sid)
        client.nothing("error", 0.5)
        client.posts("still here")
        sessions.end(alice.id, only=other.sid)
        assert client.closed(2) == 4401


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://localhost:8080",
        "http://localhost:8081",
        "http://localhost",
        "http://localhost:8080.evil.example",
        "",
    ],
)
def test_a_foreign_page_is_refused_with_403(workers: Pair, alice: Person, origin: str) -> None:
    uri = make_room(alice)
    with pytest.raises(InvalidStatus) as refused:
        chat(workers[0], alice, uri, additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403


def test_a_refused_handshake_fills_no_log(workers: Pair, alice: Person) -> None:
    """Without the filter of `server.main`, uvicorn logs an error for each."""
    before = workers[0].log_size()
    for _ in range(3):
        with pytest.raises(InvalidStatus):
            chat(workers[0], alice, "x", additional_headers={"Origin": "http://evil.example"})
    workers[0].get("/healthz")
    assert workers[0].log_text()[before:] == ""


@pytest.mark.parametrize(
    "origin",
    [ORIGIN, "http://127.0.0.1:8080", "HTTP://LOCALHOST:8080", "https://friend.example"],
)
def test_the_own_page_gets_in_by_either_name_of_loopback_and_one_that_may_use_the_api(
    workers: Pair, alice: Person, origin: str
) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri, additional_headers={"Origin": origin}) as client:
        client.ready()


@pytest.mark.parametrize(
    "path", ["/ws/", "/ws/x/", "/ws/inbox", "/ws/chats/a/b/", "/ws/chats/%20/", "/x", "/"]
)
def test_an_unknown_path_is_refused_with_404(workers: Pair, alice: Person, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        Client(workers[0], alice, path)
    assert refused.value.response.status_code == 404


def test_a_stranger_made_a_member_gets_in(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    late = make_person()
    assert not permissions.access(uri, late.id).member  # type: ignore[union-attr]
    roster.add_member(uri, user_of(late), user_of(late))
    with chat(workers[1], late, uri) as client:
        client.ready()
