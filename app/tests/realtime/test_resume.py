"""Coming back: `after` and `epoch`, replay, reset, and nothing missed or doubled on the way."""

from __future__ import annotations

import asyncio
import threading
import uuid

import psycopg
import pytest

from chat import epoch
from chat.models import Chat, Message
from realtime import hints, pool
from realtime.conninfo import connection_params
from realtime.hub import close_hub, get_hub
from tests.people import Person
from tests.realtime.clients import chat
from tests.realtime.rooms import make_room, post, user_of
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]


def fill(uri: str, author: Person, count: int) -> None:
    """Store `count` messages the quick way."""
    room = Chat.objects.get(uri=uri)
    Message.objects.bulk_create(
        Message(chat=room, seq=seq, author=user_of(author), text=f"{seq}")
        for seq in range(room.last_seq + 1, room.last_seq + count + 1)
    )
    room.last_seq += count
    room.save()


def test_a_client_gets_everything_after_what_it_has_once_and_in_order(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    fill(uri, alice, 900)
    with chat(workers[0], alice, uri, "?after=100") as client:
        ready = client.ready()
        seqs = [frame["seq"] for frame in client.seen if frame["type"] == "message"]
        assert seqs == list(range(101, 901))
        assert ready["seq"] == 900


def test_after_zero_means_everything(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    fill(uri, alice, 3)
    with chat(workers[0], alice, uri, "?after=0") as client:
        assert [frame["seq"] for frame in client.messages(3)] == [1, 2, 3]
        assert client.ready()["seq"] == 3


@pytest.mark.parametrize(
    "query",
    [
        "?after=6",
        f"?after={2**63 - 1}",
        f"?after={2**64}",
        "?after=" + "9" * 5000,
        "?after=2&epoch=another",
        f"?after=2&epoch={'0' * 32}",
    ],
)
def test_a_client_of_another_history_is_reset(workers: Pair, alice: Person, query: str) -> None:
    uri = make_room(alice)
    fill(uri, alice, 5)
    with chat(workers[0], alice, uri, query) as client:
        assert client.next() == {"type": "reset", "seq": 5, "epoch": epoch.current()}
        post(alice, uri)
        assert client.expect("message")["seq"] == 6


def test_a_client_1000_behind_is_replayed_and_one_further_is_reset(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    fill(uri, alice, 1001)
    with chat(workers[0], alice, uri, f"?after=1&epoch={epoch.current()}") as client:
        assert [frame["seq"] for frame in client.messages(1000)] == list(range(2, 1002))
        client.ready()
    with chat(workers[0], alice, uri, "?after=0") as client:
        assert client.next()["type"] == "reset"


@pytest.mark.parametrize("after", ["-1", "1.5", "x", "", "%20", "1e3", "²", "0x1", "None", "+1"])
def test_an_after_that_is_no_whole_number_is_closed_4400(
    workers: Pair, alice: Person, after: str
) -> None:
    with chat(workers[0], alice, make_room(alice), f"?after={after}") as client:
        assert client.closed() == 4400


def test_messages_that_come_during_a_replay_are_missed_and_doubled_by_nobody(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    fill(uri, alice, 70)
    stop = threading.Event()
    posted: list[int] = []

    def talk() -> None:
        with chat(workers[1], alice, uri) as talker:
            talker.ready()
            # Within the limit of 200 frames a second, and within the 1,000 of a replay.
            while not stop.wait(0.02) and len(posted) < 900:
                talker.say("more", str(uuid.uuid4()))
                posted.append(talker.expect("ack")["seq"])

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        for _ in range(12):
            with chat(workers[0], alice, uri, "?after=5") as client:
                ready = client.ready()
                client.expect("message", where=lambda frame: frame["seq"] > ready["seq"] + 5)  # noqa: B023
                seqs = [frame["seq"] for frame in client.seen if frame["type"] == "message"]
                assert seqs == list(range(6, seqs[-1] + 1))
                # Everything up to `ready` came before it.
                before = client.seen[: client.seen.index(ready)]
                assert before[-1]["seq"] == ready["seq"]
    finally:
        stop.set()
        thread.join()
    assert posted == list(range(71, 71 + len(posted)))


def test_a_new_epoch_sends_every_client_away_and_resets_it_when_it_returns(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    post(alice, uri)
    with chat(workers[0], alice, uri) as client:
        held = client.ready()["epoch"]
        renewed = epoch.renew()
        assert client.closed() == 1012
    with chat(workers[0], alice, uri, f"?after=1&epoch={held}") as client:
        assert client.next() == {"type": "reset", "seq": 1, "epoch": renewed}


def test_hints_that_waited_are_not_told_to_a_database_of_another_history() -> None:
    """A restore: they tell of numbers that nobody was given in it."""

    async def told(*histories: str) -> list[str]:
        hub = await get_hub()
        parameters = connection_params("test-listener")
        try:
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as db:
                await db.execute(f"LISTEN {hints.CHANNEL}")
                for number, history in enumerate(histories, 1):
                    await hub._send_hints([(history, hints.Hint(0, number, 0, ""))])
                return [one.payload async for one in db.notifies(timeout=1.0)]
        finally:
            await close_hub()
            await pool.close_pool()

    assert asyncio.run(told("0" * 32, epoch.current(), "0" * 32)) == ["0 2 0 "]


def test_a_restore_that_nobody_told_of_resets_the_clients_it_leaves_ahead(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    fill(uri, alice, 5)
    with chat(workers[0], alice, uri) as client:
        epoch_before = client.ready()["epoch"]
        Message.objects.filter(chat__uri=uri, seq__gt=2).delete()
        Chat.objects.filter(uri=uri).update(last_seq=2)
        assert client.closed() == 1012
    with chat(workers[0], alice, uri, f"?after=5&epoch={epoch_before}") as client:
        assert client.expect("reset")["seq"] == 2
        post(alice, uri, "three")
        assert client.messages(1)[0]["seq"] == 3
