"""One test for each trap of channels-postgres that the layer steps around.

Each was seen to fail with its step-around taken out; the docstrings say what was taken out and
what came of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers, get_channel_layer
from django.core.checks import run_checks
from django.db import close_old_connections, connection, transaction
from django.test import override_settings

from realtime import janitor, listener, pool, statements
from realtime.conninfo import connection_params
from realtime.layer import HardenedPostgresChannelLayer
from realtime.receiver import Receiver
from tests.realtime.relay import Relay
from tests.realtime.waiting import LISTENERS, aquery, auntil, query

Layer = HardenedPostgresChannelLayer
LISTENING = LISTENERS.replace("%s", "'chatire-listen:test:%%'")


async def listening(layer: Layer) -> None:
    """Start the layer's listener and wait until it hears."""
    receiver = layer.receiver()
    receiver.start()
    await auntil(lambda: not receiver.listener.health().reason, "the listener hears")


async def take(layer: Layer, channel: str, seconds: float = 5) -> Any:
    return await asyncio.wait_for(layer.receive(channel), seconds)


async def test_it_hears_again_after_its_connection_was_cut(
    layer: Layer, other_layer: Layer
) -> None:
    """Without the loop of `Listener._supervise`, nothing is received after the cut."""
    channel = await layer.new_channel()
    await listening(layer)
    await layer.group_add("room", channel)
    receiving = asyncio.ensure_future(take(layer, channel))
    for number in range(3):
        [(pid,)] = await aquery(LISTENING)
        await aquery("SELECT pg_terminate_backend(%s)", pid)
        await other_layer.group_send("room", {"type": "x", "number": number})
        assert (await receiving)["number"] == number
        receiving = asyncio.ensure_future(take(layer, channel))
    receiving.cancel()


async def test_a_half_open_connection_is_noticed_and_replaced(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the deadline of the round trip, the listener stays on the dead connection.

    The server's side is stopped, as a black hole in the network does: no error comes.
    """
    monkeypatch.setattr(listener, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(listener, "DEAF_SECONDS", 1.0)
    with Relay() as relay:
        there = {"host": "127.0.0.1", "port": relay.port}
        monkeypatch.setattr(
            listener, "connection_params", lambda name: {**connection_params(name), **there}
        )
        await listening(layer)
        health = layer.receiver().listener.health
        relay.hole = True
        await auntil(lambda: "deaf" in health().reason, "the listener says that it is deaf", 3)
        relay.hole = False
        await auntil(lambda: not health().reason, "the listener hears again", 5)
        assert layer.receiver().listener.connections > 1
        await layer.receiver().listener.close()


async def test_many_receivers_at_once_share_one_listener_and_get_one_copy(layer: Layer) -> None:
    """With a listener for each `receive` that finds none up, there are 50 of each."""
    channels = [await layer.new_channel() for _ in range(50)]
    receiving = [asyncio.ensure_future(take(layer, channel, 10)) for channel in channels]
    await asyncio.sleep(0)
    for channel in channels:
        await layer.group_add("crowd", channel)
    await layer.group_send("crowd", {"type": "x"})
    assert await asyncio.gather(*receiving) == [{"type": "x"}] * 50
    assert len(await aquery(LISTENING)) == 1
    for channel in channels[:5]:
        with pytest.raises(TimeoutError):
            await take(layer, channel, 0.1)


async def test_channels_that_come_and_go_leave_no_lock_queue_or_task(layer: Layer) -> None:
    """Without `Receiver._drop`, 300 queues stay; plain channels-postgres keeps 300 locks too."""
    await listening(layer)
    await layer.send("warm.up", {"type": "the pool has its tasks now"})
    tasks = len(asyncio.all_tasks())
    for _ in range(300):
        channel = await layer.new_channel()
        receiving = asyncio.ensure_future(layer.receive(channel))
        await asyncio.sleep(0)
        await layer.group_add("passing", channel)
        await layer.group_discard("passing", channel)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    receiver = layer.receiver()
    await auntil(lambda: len(asyncio.all_tasks()) <= tasks, "the tasks have ended")
    assert not receiver._queues
    assert not receiver._groups
    assert await aquery("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    assert await aquery(
        "SELECT count(*) FROM channels_postgres_groupchannel WHERE group_key LIKE '%%passing'"
    ) == [(0,)]


async def test_a_queue_left_behind_by_a_dead_consumer_is_forgotten(layer: Layer) -> None:
    """Without `_forget_the_idle`, a consumer that died outside `receive` leaves its queue."""
    channel = await layer.new_channel()
    await listening(layer)
    await layer.send(channel, {"type": "x"})
    assert await take(layer, channel) == {"type": "x"}
    receiver = layer.receiver()
    assert channel in receiver._queues
    receiver._queues[channel].idle_since -= layer.expiry + 1
    receiver._forget_the_idle()
    assert channel not in receiver._queues


def in_threads(work: Callable[[int], None], threads: int = 8) -> list[BaseException]:
    """Run `work` in threads that start together; returns what they raised."""
    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    started = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    return errors


def test_wsgi_threads_may_all_send_at_once_and_after_a_database_restart() -> None:
    """With the layer's pool used from every loop, most fail: "bound to a different event loop"."""
    layer = Layer()
    query("DELETE FROM channels_postgres_message")
    async_to_sync(layer.group_add)("all", "general")

    def requests(number: int) -> None:
        for turn in range(25):
            # What Django does around each request.
            close_old_connections()
            async_to_sync(layer.group_send)("all", {"type": "x", "id": f"{number}/{turn}"})

    assert in_threads(requests) == []
    [(sent,)] = query("SELECT count(*) FROM channels_postgres_message WHERE channel = 'general'")
    assert sent == 200
    [(others,)] = query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name LIKE 'chatire-manage%%'"
    )
    assert others >= 0
    assert in_threads(requests) == []
    async_to_sync(layer.group_discard)("all", "general")


async def test_what_is_published_is_part_of_the_callers_transaction(layer: Layer) -> None:
    """On a connection of its own, the rolled-back event arrives as well."""
    channel = await layer.new_channel()
    await listening(layer)
    receiving = asyncio.ensure_future(take(layer, channel))
    await asyncio.sleep(0)
    await layer.group_add("room", channel)

    def request() -> None:
        try:
            with transaction.atomic():
                layer.publish("room", {"type": "rolled back"})
                async_to_sync(layer.group_send)("room", {"type": "rolled back too"})
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        with transaction.atomic():
            layer.publish("room", {"type": "one"})
            async_to_sync(layer.group_send)("room", {"type": "two"})
        connection.close()

    await asyncio.to_thread(request)
    assert await receiving == {"type": "one"}
    assert await take(layer, channel) == {"type": "two"}
    with pytest.raises(TimeoutError):
        await take(layer, channel, 0.2)


async def test_a_starting_listener_takes_nothing_that_is_for_others(
    layer: Layer, other_layer: Layer
) -> None:
    """With channels-postgres's `DELETE … RETURNING` at the start, the message is gone."""
    channel = await layer.new_channel()
    await other_layer.send(channel, {"type": "early"})
    await listening(other_layer)
    with pytest.raises(TimeoutError):
        await take(other_layer, "something.else", 0.3)
    assert await take(layer, channel) == {"type": "early"}


async def test_what_commits_while_a_listener_starts_is_received_once(
    layer: Layer, other_layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the backlog read before LISTEN, "after the backlog" is missed."""
    channel = await layer.new_channel()
    await other_layer.send(channel, {"type": "before"})
    read_backlog = Receiver._catch_up
    sent: list[str] = []

    async def read_slowly(self: Receiver, channels: Any) -> None:
        await read_backlog(self, channels)
        if channel in channels and not sent:
            sent.append(channel)
            await other_layer.send(channel, {"type": "after the backlog"})

    listen = listener.Listener._listen

    async def listen_late(self: listener.Listener, **how: Any) -> None:
        await asyncio.sleep(0.5)
        await listen(self, **how)

    monkeypatch.setattr(Receiver, "_catch_up", read_slowly)
    monkeypatch.setattr(listener.Listener, "_listen", listen_late)
    assert await take(layer, channel) == {"type": "before"}
    assert await take(layer, channel) == {"type": "after the backlog"}
    with pytest.raises(TimeoutError):
        await take(layer, channel, 0.3)


async def test_a_reconnected_listener_reads_what_it_missed_and_nothing_twice(
    layer: Layer, other_layer: Layer
) -> None:
    """Without `Seen`, "heard" comes again; without the catch-up, "missed" never comes."""
    channel = await layer.new_channel()
    await listening(layer)
    receiving = asyncio.ensure_future(take(layer, channel))
    await asyncio.sleep(0)
    await other_layer.send(channel, {"type": "heard"})
    assert await receiving == {"type": "heard"}
    [(pid,)] = await aquery(LISTENING)
    await aquery("SELECT pg_terminate_backend(%s)", pid)
    await other_layer.send(channel, {"type": "missed"})
    assert await take(layer, channel) == {"type": "missed"}
    with pytest.raises(TimeoutError):
        await take(layer, channel, 0.5)


async def test_a_sequence_that_a_crash_has_reset_costs_no_message(
    layer: Layer, other_layer: Layer
) -> None:
    """With messages known by their id alone, "after" is taken for "before"."""
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(take(layer, channel))
    await listening(layer)
    await aquery("TRUNCATE channels_postgres_message RESTART IDENTITY")
    await other_layer.send(channel, {"type": "before"})
    assert await receiving == {"type": "before"}
    await aquery("TRUNCATE channels_postgres_message RESTART IDENTITY")
    await other_layer.send(channel, {"type": "after"})
    assert await take(layer, channel) == {"type": "after"}


async def test_a_message_of_any_size_around_the_limit_of_notify_is_delivered(
    layer: Layer, other_layer: Layer
) -> None:
    """With channels-postgres's trigger (`> 8000`), the payload of exactly 8000 bytes fails."""
    # Base64 grows in steps of four: with names of four lengths every payload length occurs.
    channels = [await layer.new_channel("x" * length) for length in range(1, 5)]
    await listening(layer)
    sizes = [*range(5_820, 5_880), 60_000]
    for channel in channels:
        first = asyncio.ensure_future(take(layer, channel, 30))
        await asyncio.sleep(0)
        for size in sizes:
            await other_layer.send(channel, {"type": "x", "text": "y" * size})
        assert len((await first)["text"]) == sizes[0]
        assert [len((await take(layer, channel))["text"]) for _ in sizes[1:]] == sizes[1:]


def test_a_payload_of_exactly_8000_bytes_is_not_notified_whole() -> None:
    """The same, to the byte."""
    for channel in ("x", "xx", "xxx", "xxxx"):
        query(
            "INSERT INTO channels_postgres_message (channel, message, expire)"
            " SELECT %s, convert_to(repeat('y', size), 'UTF8'), now() + interval '1 minute'"
            " FROM generate_series(5850, 5950) AS size",
            channel,
        )
    query("DELETE FROM channels_postgres_message WHERE channel LIKE 'x%%'")


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        (statements.GROUP_SEND, {"group": "g", "message": b"", "expiry": 1}),
        (statements.GROUP_DISCARD, {"group": "g", "channel": "c"}),
        (statements.RENEW, {"channels": ["c"], "lease": 1}),
        (statements.CATCH_UP, {"channels": ["c"]}),
        (janitor.SWEEPS[0], {"lock": 1, "batch": 1}),
        (janitor.SWEEPS[1], {"lock": 1, "batch": 1}),
    ],
)
def test_every_statement_of_the_layer_has_its_index(statement: str, params: dict[str, Any]) -> None:
    """Without the indexes of migration 0001, these are sequential scans."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute("EXPLAIN " + statement, params)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        transaction.set_rollback(True)
    assert "Seq Scan on channels_postgres" not in plan, plan


async def test_a_dead_workers_group_rows_end_with_its_lease(
    layer: Layer, other_layer: Layer
) -> None:
    """With a `group_expiry` of 0, as in channels-postgres, the row gets a message for ever."""
    channel = await layer.new_channel()
    await listening(layer)
    await layer.group_add("leased", channel)
    count = "SELECT count(*) FROM channels_postgres_message WHERE channel = %s"
    await other_layer.group_send("leased", {"type": "x"})
    assert await aquery(count, channel) == [(1,)]
    rows = "channels_postgres_groupchannel WHERE channel = %s"
    [(lease,)] = await aquery(f"SELECT expire - now() FROM {rows}", channel)
    assert 50 < lease.total_seconds() <= 60
    await aquery(
        "UPDATE channels_postgres_groupchannel SET expire = now() WHERE channel = %s", channel
    )
    await other_layer.group_send("leased", {"type": "x"})
    assert await aquery(count, channel) == [(1,)], "nobody writes to a dead worker"
    await janitor.Janitor().sweep()
    assert await aquery(f"SELECT count(*) FROM {rows}", channel) == [(0,)]


async def test_a_living_workers_lease_is_renewed(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `Receiver._renew`, a worker hears no group after a minute."""
    from realtime import receiver

    monkeypatch.setattr(receiver, "RENEW_SECONDS", 0.1)
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(layer.receive(channel))
    await listening(layer)
    await layer.group_add("leased", channel)
    await aquery(
        "UPDATE channels_postgres_groupchannel SET expire = now() + interval '5 s'"
        " WHERE channel = %s",
        channel,
    )
    deadline = asyncio.get_running_loop().time() + 5
    while True:
        [(lease,)] = await aquery(
            "SELECT expire - now() FROM channels_postgres_groupchannel WHERE channel = %s", channel
        )
        if lease.total_seconds() > 50:
            break
        assert asyncio.get_running_loop().time() < deadline
    receiving.cancel()


@pytest.mark.usefixtures("group_rows_of_others")
async def test_group_rows_are_written_again_after_the_tables_were_emptied(
    layer: Layer, other_layer: Layer
) -> None:
    """Without the INSERT of `_reconnected`, an unlogged table that a crash emptied stays so."""
    channel = await layer.new_channel()
    await listening(layer)
    receiving = asyncio.ensure_future(take(layer, channel))
    await layer.group_add("room", channel)
    await aquery("TRUNCATE channels_postgres_message, channels_postgres_groupchannel")
    connections = layer.receiver().listener.connections
    [(pid,)] = await aquery(LISTENING)
    await aquery("SELECT pg_terminate_backend(%s)", pid)
    listener_ = layer.receiver().listener
    await auntil(lambda: listener_.connections > connections, "reconnected")
    await auntil(lambda: not listener_.health().reason, "caught up")
    await other_layer.group_send("room", {"type": "x"})
    assert await receiving == {"type": "x"}


@pytest.mark.usefixtures("group_rows_of_others")
async def test_group_rows_that_were_swept_in_a_stopped_process_come_back(
    layer: Layer, other_layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop's sleep outlasts every lease, and no connection drops: an UPDATE finds no row."""
    from realtime import receiver

    monkeypatch.setattr(receiver, "RENEW_SECONDS", 0.1)
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(take(layer, channel))
    await listening(layer)
    await layer.group_add("room", channel)
    renewed = layer.receiver()._renewed
    await auntil(lambda: layer.receiver()._renewed != renewed, "renewed once")
    listener_ = layer.receiver().listener
    connections = listener_.connections
    await aquery("DELETE FROM channels_postgres_groupchannel")
    await auntil(lambda: listener_.connections > connections, "listened anew")
    await auntil(lambda: not listener_.health().reason, "caught up")
    await other_layer.group_send("room", {"type": "x"})
    assert await receiving == {"type": "x"}


async def test_the_janitor_deletes_what_has_expired_in_batches_and_never_two_at_once(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the janitor the rows stay; without the lock both janitors sweep."""
    monkeypatch.setattr(janitor, "BATCH", 10)
    await listening(layer)
    await aquery("DELETE FROM channels_postgres_message")
    await aquery(
        "INSERT INTO channels_postgres_message (channel, message, expire)"
        " SELECT 'old', '', now() - interval '1 s' FROM generate_series(1, 95)"
    )
    await aquery(
        "INSERT INTO channels_postgres_message (channel, message, expire)"
        " VALUES ('new', '', now() + interval '1 minute')"
    )
    async with (
        await psycopg.AsyncConnection.connect(**connection_params("other janitor")) as other,
        other.transaction(),
    ):
        await other.execute("SELECT pg_advisory_xact_lock(%s)", (janitor.TURN_LOCK,))
        assert await layer.receiver().janitor.sweep() == 0
    assert await layer.receiver().janitor.sweep() == 95
    assert await aquery("SELECT channel FROM channels_postgres_message") == [("new",)]


@pytest.mark.usefixtures("group_rows_of_others")
async def test_sending_to_a_group_is_one_statement_however_many_members(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """channels-postgres runs one INSERT for each member."""
    await listening(layer)
    for number in range(200):
        await layer.group_add("large", f"general{number}")
    ran: list[str] = []
    execute = pool.execute

    async def count(statement: str, params: Any = ()) -> int:
        ran.append(statement)
        return await execute(statement, params)

    monkeypatch.setattr(pool, "execute", count)
    await layer.group_send("large", {"type": "x"})
    assert len(ran) == 1
    assert await aquery(
        "SELECT count(DISTINCT channel) FROM channels_postgres_message"
        " WHERE channel LIKE 'general%%'"
    ) == [(200,)]
    await layer.flush()


HARDENED = {"BACKEND": "realtime.layer.HardenedPostgresChannelLayer"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"default": {**HARDENED, "CONFIG": {}}}, []),
        ({"default": {**HARDENED, "CONFIG": {"tier": "http"}}}, []),
        ({}, ["realtime.E002"]),
        ({"default": {**HARDENED, "CONFIG": {"NAME": "x"}}}, ["realtime.E001"]),
        (
            {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
            ["realtime.E003"],
        ),
        ({"default": {"BACKEND": "channels_postgres.core.PostgresChannelLayer"}}, ["realtime.E00"]),
    ],
)
def test_a_layer_that_is_missing_or_not_hardened_stops_the_start(
    settings: dict[str, Any], found: list[str]
) -> None:
    """Without the check, `get_channel_layer()` returning None is noticed by the first user."""
    with override_settings(CHANNEL_LAYERS=settings):
        messages = [str(message.id) for message in run_checks() if "realtime" in str(message.id)]
    channel_layers.backends.clear()
    assert len(messages) == len(found)
    assert all(name.startswith(prefix) for name, prefix in zip(messages, found, strict=True))


def test_the_layer_needs_no_time_zone_in_its_settings() -> None:
    """Plain channels-postgres without TIME_ZONE is no layer at all."""
    assert isinstance(get_channel_layer(), HardenedPostgresChannelLayer)
