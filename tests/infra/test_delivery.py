"""Messages arrive: from either tier, in every ws process, once, in one order, at members only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from chat_client import Account, Chat, Socket, new_client_id, told
from chat_workers import workers, workers_serving
from conftest import People
from target import Target

# Sockets opened, for each process, until every process holds one; nginx spreads them, so that
# as many sockets as processes mostly do.
TRIES_A_PROCESS = 6

# A hint takes milliseconds; a worker that hears none looks at its rooms every two seconds.
AT_ONCE = 0.5

# What one chat says in a burst: enough to cross in flight, few enough for any limit.
BURST = 12


@dataclass
class Spread:
    """A chat whose ready sockets are held by all ws processes: each holds one at least."""

    uri: str
    sockets: list[Socket]


@pytest.fixture(scope="module")
def spread(target: Target, alice: Account, bob: Account) -> Iterator[Spread]:
    """Alice and bob in one chat, with sockets in each process."""
    uri = alice.create_chat()
    bob.join(uri)
    with ExitStack() as stack:
        sockets = spread_out(target, uri, (alice, bob), stack)
        yield Spread(uri, sockets)


def spread_out(
    target: Target, uri: str, owners: Sequence[Account], stack: ExitStack
) -> list[Socket]:
    """Open sockets, of the owners in turn, until every ws process holds one of them.

    Which processes serve the chat is read off their own rows, so that what is said to cross
    processes does.
    """
    if len(target.nodes("ws")) < 2:
        pytest.skip("one ws process was asked for: nothing can cross")
    every = set(workers(target).values())
    assert len(every) >= 2, f"one ws process only, nothing can cross: {every}"
    sockets: list[Socket] = []
    serving: set[str] = set()
    while serving != every:
        assert len(sockets) < TRIES_A_PROCESS * len(every), f"{len(sockets)} sockets in {serving}"
        owner = owners[len(sockets) % len(owners)]
        sockets.append(stack.enter_context(owner.listening(uri)))
        deadline = time.monotonic() + 1
        before = serving
        while serving == before and time.monotonic() < deadline:
            serving = workers_serving(target, uri)
    return sockets


def test_a_post_over_http_arrives_in_every_ws_process(spread: Spread, alice: Account) -> None:
    stored = alice.post(spread.uri, "over HTTP")
    arrived = [socket.until("message", seq=stored["seq"]) for socket in spread.sockets]
    assert [frame["message"] for frame in arrived] == ["over HTTP"] * len(spread.sockets)
    assert {frame["id"] for frame in arrived} == {stored["id"]}
    assert arrived[0]["user"]["username"] == alice.username


def test_a_message_is_heard_of_and_not_only_looked_up(spread: Spread, alice: Account) -> None:
    """Without hints the processes would find it too, seconds later. The quickest of a few counts,
    so that a busy machine fails nothing.
    """
    took = []
    for number in range(5):
        begin = time.monotonic()
        seq = alice.post(spread.uri, f"quick {number}")["seq"]
        for socket in spread.sockets:
            socket.until("message", seq=seq)
        took.append(time.monotonic() - begin)
    assert min(took) < AT_ONCE, took


def test_a_frame_sent_in_any_ws_process_arrives_in_every_one(spread: Spread) -> None:
    sent = {new_client_id(): socket for socket in spread.sockets}
    for identity, socket in sent.items():
        socket.send({"type": "message", "message": f"as {identity}", "client_id": identity})
    for socket in spread.sockets:
        wait_for = set(sent) - {frame["client_id"] for frame in socket.of("message")}
        while wait_for:
            wait_for.discard(socket.until("message")["client_id"])
    arrived = [
        [(frame["seq"], frame["message"]) for frame in socket.of("message")[-len(sent) :]]
        for socket in spread.sockets
    ]
    assert all(each == arrived[0] for each in arrived), arrived


def test_a_frame_without_a_type_is_a_message(spread: Spread) -> None:
    first, second = spread.sockets[:2]
    first.send({"message": "as the tutorial sends it"})
    assert second.until("message", message="as the tutorial sends it")["client_id"] is None


def test_what_is_acknowledged_is_in_the_history(spread: Spread, bob: Account) -> None:
    identity = new_client_id()
    sender = spread.sockets[0]
    sender.send({"type": "message", "message": "durable", "client_id": identity})
    ack = sender.until("ack", client_id=identity)
    page = bob.history(spread.uri, after=ack["seq"] - 1)
    assert [(each["seq"], each["id"], each["client_id"]) for each in page] == [
        (ack["seq"], ack["id"], identity)
    ]


def test_every_reader_sees_one_order_without_a_gap(
    spread: Spread, alice: Account, bob: Account
) -> None:
    """Both tiers write at once; seq says who was first, the same to everybody."""
    start = alice.post(spread.uri, "the burst begins")["seq"]
    wanted = list(range(start + 1, start + 3 * BURST + 1))
    for number in range(BURST):
        for socket in spread.sockets[:2]:
            socket.send({"type": "message", "message": f"{number} by socket"})
        bob.post(spread.uri, f"{number} by HTTP")
    for socket in spread.sockets:
        socket.until("message", seq=wanted[-1])
        seqs = [frame["seq"] for frame in socket.of("message") if frame["seq"] > start]
        assert seqs == wanted
    page = alice.history(spread.uri, after=start, limit=200)
    assert [each["seq"] for each in page] == wanted
    by_socket = [
        (frame["seq"], frame["id"], frame["message"])
        for frame in spread.sockets[0].of("message")
        if frame["seq"] > start
    ]
    assert [(each["seq"], each["id"], each["message"]) for each in page] == by_socket


def test_frame_history_and_answer_show_the_same_message(spread: Spread, alice: Account) -> None:
    stored = alice.post(spread.uri, "one shape", new_client_id())
    frame = spread.sockets[-1].until("message", seq=stored["seq"])
    listed = alice.history(spread.uri, after=stored["seq"] - 1)[0]
    assert {name: frame[name] for name in listed} == listed
    assert {name: stored[name] for name in listed if name in stored} == {
        name: value for name, value in listed.items() if name in stored
    }


def test_a_post_repeated_is_stored_and_delivered_once(spread: Spread, alice: Account) -> None:
    identity = new_client_id()
    first = alice.post(spread.uri, "once", identity)
    again = alice.ok(
        "POST",
        f"/api/chats/{spread.uri}/messages/",
        200,
        json={"message": "once", "client_id": identity.upper()},
    )
    assert again == first
    fence = alice.post(spread.uri, "after the repeat")
    assert fence["seq"] == first["seq"] + 1, "the repeat used up a seq"
    for socket in spread.sockets:
        socket.until("message", seq=fence["seq"])
        assert len([f for f in socket.of("message") if f["client_id"] == identity]) == 1


def test_a_frame_repeated_in_another_process_is_acked_with_the_first_seq(
    target: Target, room: str, bob: Account
) -> None:
    """Somebody whose connection broke repeats what was on its way, wherever they come back."""
    identity = new_client_id()
    frame = {"type": "message", "message": "did it arrive?", "client_id": identity}
    with ExitStack() as stack:
        first, *others = spread_out(target, room, [bob], stack)
        first.send(frame)
        stored = first.until("ack", client_id=identity)
        for other in others:
            other.until("message", client_id=identity)
            other.send(frame)
        acked = [other.until("ack", client_id=identity) for other in others]
        assert {(each["seq"], each["id"]) for each in acked} == {(stored["seq"], stored["id"])}
        fence = bob.post(room, "after the repeats")["seq"]
        assert fence == stored["seq"] + 1
        for socket in (first, *others):
            socket.until("message", seq=fence)
            assert [each["seq"] for each in socket.of("message")] == [stored["seq"], fence]


@pytest.fixture(scope="module")
def visitor(spread: Spread, people: People) -> Account:
    """A third member of the spread chat, who comes and goes."""
    account = people.newcomer("visitor")
    account.join(spread.uri)
    return account


def test_everybody_is_told_of_a_new_member(spread: Spread, visitor: Account) -> None:
    for socket in spread.sockets:
        socket.until("members", match=lambda frame: visitor.username in names(frame["members"]))


def test_presence_crosses_processes(spread: Spread, visitor: Account) -> None:
    with visitor.listening(spread.uri):
        for socket in spread.sockets:
            socket.until("presence", match=lambda frame: visitor.username in names(frame["online"]))
    for socket in spread.sockets:
        socket.until("presence", match=lambda frame: visitor.username not in names(frame["online"]))


@pytest.mark.parametrize("kind", ["typing", "read"])
def test_what_one_does_is_seen_in_every_process(
    spread: Spread, alice: Account, visitor: Account, kind: str
) -> None:
    seq = alice.post(spread.uri, "look")["seq"]
    with visitor.listening(spread.uri) as mine:
        mine.send({"type": kind, "seq": seq} if kind == "read" else {"type": kind})
        for socket in spread.sockets:
            socket.until(kind, match=lambda frame: names([frame["user"]]) == {visitor.username})


def names(users: list[dict[str, str]]) -> set[str]:
    return {user["username"] for user in users}


def test_the_inbox_tells_of_activity_in_any_chat(room: str, alice: Account, bob: Account) -> None:
    with bob.inbox() as inbox:
        stored = alice.post(room, "for the inbox")
        frame = inbox.until("chat", uri=room, last_seq=stored["seq"])
    assert frame["last_message"]["message"] == "for the inbox"
    assert frame["unread"] == 1


# --- resuming ---------------------------------------------------------------------------------


def test_a_reader_that_comes_back_gets_what_it_missed_exactly_once(
    room: str, alice: Account, bob: Account
) -> None:
    with bob.listening(room) as socket:
        seen = alice.post(room, "while there")["seq"]
        socket.until("message", seq=seen)
        epoch = socket.of("ready")[0]["epoch"]
    missed = [alice.post(room, f"while away {number}")["seq"] for number in range(3)]
    with bob.listening(room, after=seen, epoch=epoch) as socket:
        assert [frame["seq"] for frame in socket.of("message")] == missed
        assert socket.of("ready")[0]["seq"] == missed[-1]
        live = alice.post(room, "back again")["seq"]
        socket.until("message", seq=live)
        assert [frame["seq"] for frame in socket.of("message")] == [*missed, live]


def test_without_after_nothing_is_replayed(room: str, alice: Account, bob: Account) -> None:
    last = alice.post(room, "before")["seq"]
    with bob.listening(room) as socket:
        assert socket.of("ready")[0]["seq"] == last
        assert not socket.of("message")


@pytest.mark.parametrize("case", ["another epoch", "beyond the end"])
def test_a_reader_of_another_history_is_told_to_start_over(
    room: str, alice: Account, bob: Account, case: str
) -> None:
    last = alice.post(room, "this history")["seq"]
    epoch = bob.ok("GET", f"/api/chats/{room}/", 200)["epoch"]
    after, claimed = (0, "0" * len(epoch)) if case == "another epoch" else (last + 5, epoch)
    with bob.listening(room, after=after, epoch=claimed) as socket:
        assert socket.of("reset") == [{"type": "reset", "seq": last, "epoch": epoch}]
        assert not socket.of("message")
        live = alice.post(room, "live")["seq"]
        socket.until("message", seq=live)


def test_a_token_may_come_as_the_first_frame(room: str, chat: Chat, bob: Account) -> None:
    with Socket(chat.socket_url(f"/ws/chats/{room}/"), bob.access, first_frame=True) as socket:
        socket.until("ready")


def test_the_server_selects_the_subprotocol_without_the_token(room: str, bob: Account) -> None:
    with bob.socket(room) as socket:
        assert socket.subprotocol == "chatire"


# --- nobody else ------------------------------------------------------------------------------


def test_a_stranger_gets_nothing(room: str, alice: Account, stranger: Account) -> None:
    with stranger.socket(room) as socket, alice.listening(room) as mine:
        seq = alice.post(room, "not for strangers")["seq"]
        mine.until("message", seq=seq)
        assert socket.closed() == 4403
        assert not socket.of("message")
        assert not socket.of("ready")
    assert stranger.request("GET", f"/api/chats/{room}/messages/").status_code == 403
    assert room not in [chat["uri"] for chat in stranger.ok("GET", "/api/chats/", 200)["results"]]


def test_a_strangers_inbox_stays_empty(
    room: str, alice: Account, bob: Account, stranger: Account
) -> None:
    with stranger.inbox() as theirs, bob.inbox() as members:
        seq = alice.post(room, "for members")["seq"]
        members.until("chat", uri=room, last_seq=seq)
        theirs.send({"type": "typing"})  # a round trip, so that silence means nothing came
        theirs.send("not JSON")
        assert theirs.closed() == 4400
        assert not theirs.of("chat")


def test_nobody_signed_in_gets_nothing(room: str, chat: Chat) -> None:
    with Socket(chat.socket_url(f"/ws/chats/{room}/"), "no.such.token") as socket:
        assert socket.closed() == 4401
        assert not socket.frames
    assert chat.http.get(f"/api/chats/{room}/messages/").status_code == 401


def test_a_chat_that_is_not_there_is_nobodys(alice: Account) -> None:
    with alice.socket("no-such-chat") as socket:
        assert socket.closed() == 4404
    assert alice.request("GET", "/api/chats/no-such-chat/messages/").status_code == 404


def test_a_removed_member_gets_nothing_more(spread: Spread, people: People, alice: Account) -> None:
    removed = people.newcomer("removed")
    removed.join(spread.uri)
    with removed.listening(spread.uri) as socket:
        before = alice.post(spread.uri, "with them")["seq"]
        socket.until("message", seq=before)
        alice.ok("DELETE", f"/api/chats/{spread.uri}/members/{removed.username}/", 204)
        after = alice.post(spread.uri, "without them")["seq"]
        assert socket.closed() == 4403
        assert after not in [frame["seq"] for frame in socket.of("message")]
    spread.sockets[0].until("message", seq=after)
    with removed.socket(spread.uri) as socket:
        assert socket.closed() == 4403
    assert removed.request("GET", f"/api/chats/{spread.uri}/messages/").status_code == 403
    back = removed.request(
        "PATCH", f"/api/chats/{spread.uri}/", json={"username": removed.username}
    )
    assert back.status_code == 403, told(back)


def test_somebody_signed_out_gets_nothing_more(
    spread: Spread, people: People, alice: Account
) -> None:
    leaver = people.newcomer("leaver")
    leaver.join(spread.uri)
    with leaver.listening(spread.uri) as socket, leaver.inbox() as inbox:
        before = alice.post(spread.uri, "signed in")["seq"]
        socket.until("message", seq=before)
        leaver.ok("POST", "/auth/logout/", 204, json={"refresh": leaver.refresh_token})
        assert socket.closed() == 4401
        assert inbox.closed() == 4401
    assert leaver.request("GET", "/auth/users/me/").status_code == 401
    refreshed = leaver.chat.http.post("/auth/jwt/refresh/", json={"refresh": leaver.refresh_token})
    assert refreshed.status_code == 401, told(refreshed)


def test_a_session_goes_on_with_a_rotated_token(people: People) -> None:
    account = people.newcomer("rotating")
    old = account.refresh_token
    answer = account.chat.http.post("/auth/jwt/refresh/", json={"refresh": old})
    assert answer.status_code == 200, told(answer)
    account.hold(answer.json())
    assert account.refresh_token != old
    account.ok("GET", "/auth/users/me/", 200)
