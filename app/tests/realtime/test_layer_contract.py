"""The Channels layer API, as any application may use it: Channels' own consumers too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import channel_layers

from realtime import pool, statements
from realtime.layer import HardenedPostgresChannelLayer
from tests.realtime.waiting import aquery, auntil

Layer = HardenedPostgresChannelLayer


async def take(layer: Layer, channel: str, seconds: float = 5) -> Any:
    return await asyncio.wait_for(layer.receive(channel), seconds)


async def test_a_message_sent_before_anyone_receives_is_received(layer: Layer) -> None:
    await layer.send("general.task", {"type": "x", "n": 1, "bytes": b"\x00", "none": None})
    assert await take(layer, "general.task") == {
        "type": "x",
        "n": 1,
        "bytes": b"\x00",
        "none": None,
    }


async def test_messages_keep_their_order(layer: Layer, other_layer: Layer) -> None:
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(take(layer, channel))
    for number in range(100):
        # Every seventh is too large for a notification and has to be read.
        text = "x" * 9_000 if number % 7 == 0 else ""
        await other_layer.send(channel, {"type": "x", "n": number, "text": text})
    assert (await receiving)["n"] == 0
    assert [(await take(layer, channel))["n"] for _ in range(99)] == list(range(1, 100))


async def test_what_is_heard_while_the_table_is_read_comes_after_what_was_read(
    layer: Layer, other_layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await layer.new_channel()
    await other_layer.send(channel, {"type": "first"})
    receiver = layer.receiver()
    receiver.start()
    await auntil(lambda: not receiver.listener.health().reason, "the listener hears")
    fetch = pool.fetch
    sent: list[str] = []

    async def fetch_slowly(statement: str, params: Any = ()) -> list[Any]:
        rows = await fetch(statement, params)
        if statement == statements.CATCH_UP and rows and not sent:
            sent.append(channel)
            await other_layer.send(channel, {"type": "second"})
            await asyncio.sleep(0.3)
        return rows

    monkeypatch.setattr(pool, "fetch", fetch_slowly)
    assert await take(layer, channel) == {"type": "first"}
    assert await take(layer, channel) == {"type": "second"}


async def test_each_message_goes_to_one_receiver_also_across_processes(
    layer: Layer, other_layer: Layer
) -> None:
    async def work(layer: Layer, got: list[int]) -> None:
        while True:
            got.append((await layer.receive("tasks"))["n"])

    first: list[int] = []
    second: list[int] = []
    workers = [
        asyncio.ensure_future(work(layer, first)),
        asyncio.ensure_future(work(layer, first)),
        asyncio.ensure_future(work(other_layer, second)),
    ]
    await auntil(lambda: layer.receiver().listener.connections, "one listens")
    await auntil(lambda: other_layer.receiver().listener.connections, "the other listens")
    for number in range(60):
        await layer.send("tasks", {"type": "x", "n": number})
    await auntil(lambda: len(first) + len(second) >= 60, "all tasks are taken")
    await asyncio.sleep(0.1)
    assert sorted(first + second) == list(range(60))
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


async def test_a_cancelled_receive_loses_no_message(layer: Layer, other_layer: Layer) -> None:
    channel = await layer.new_channel()
    with pytest.raises(TimeoutError):
        await take(layer, channel, 0.3)
    await other_layer.send(channel, {"type": "meanwhile"})
    assert await take(layer, channel) == {"type": "meanwhile"}
    got: list[int] = []
    for number in range(20):
        await other_layer.send(channel, {"type": "x", "n": number})
    while len(got) < 20:
        try:
            got.append((await take(layer, channel, 0.001))["n"])
        except TimeoutError:
            continue
    assert got == list(range(20))


@pytest.mark.parametrize("cancelled_first", [False, True])
async def test_a_message_that_comes_as_its_receiver_is_cancelled_is_not_lost(
    layer: Layer, other_layer: Layer, cancelled_first: bool
) -> None:
    channel = await layer.new_channel()
    receiving = asyncio.ensure_future(layer.receive(channel))
    queues = layer.receiver()._queues
    await auntil(lambda: channel in queues and queues[channel].receivers, "it waits")
    queue = queues[channel]
    put = queue.put

    def put_and_cancel(item: Any) -> None:
        if cancelled_first:
            receiving.cancel()
        put(item)
        receiving.cancel()

    queue.put = put_and_cancel  # type: ignore[method-assign]
    await other_layer.send(channel, {"type": "x"})
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert channel not in queues
    assert await take(layer, channel) == {"type": "x"}


async def test_groups_reach_their_members_and_nobody_else(layer: Layer, other_layer: Layer) -> None:
    inside = [await layer.new_channel(), await other_layer.new_channel()]
    outside = await layer.new_channel()
    await layer.group_add("g", inside[0])
    await layer.group_add("g", inside[0])
    await other_layer.group_add("g", inside[1])
    await layer.group_add("h", outside)
    await layer.group_send("g", {"type": "x"})
    assert await take(layer, inside[0]) == {"type": "x"}
    assert await take(other_layer, inside[1]) == {"type": "x"}
    for holder, channel in ((layer, inside[0]), (layer, outside)):
        with pytest.raises(TimeoutError):
            await take(holder, channel, 0.2)
    await layer.group_discard("g", inside[0])
    await layer.group_discard("g", "never.added")
    await layer.group_send("g", {"type": "y"})
    assert await take(other_layer, inside[1]) == {"type": "y"}
    with pytest.raises(TimeoutError):
        await take(layer, inside[0], 0.2)


async def test_several_events_go_out_in_one_statement_in_order(layer: Layer) -> None:
    channel = await layer.new_channel()
    await layer.group_add("a", channel)
    await layer.group_add("b", channel)
    await layer.group_send_many(
        [("a", {"type": "1"}), ("b", {"type": "2"}), ("c", {"type": "3"}), ("a", {"type": "4"})],
        sender="another",
    )
    assert [(await take(layer, channel))["type"] for _ in range(3)] == ["1", "2", "4"]


async def test_what_is_told_the_others_is_not_written_for_who_tells_it(
    layer: Layer, other_layer: Layer
) -> None:
    sender, other = await layer.new_channel(), await other_layer.new_channel()
    for channel in (sender, other):
        await layer.group_add("both", channel)
    await layer.group_add("alone", sender)
    await layer.group_send_many([("both", {"type": "x"}), ("alone", {"type": "y"})], sender)
    assert await aquery(
        "SELECT channel FROM channels_postgres_message WHERE channel IN (%s, %s)", sender, other
    ) == [(other,)]
    assert await take(other_layer, other) == {"type": "x"}


async def test_an_expired_message_is_not_received(layer: Layer) -> None:
    await layer.send("late", {"type": "x"})
    await aquery("UPDATE channels_postgres_message SET expire = now() WHERE channel = 'late'")
    with pytest.raises(TimeoutError):
        await take(layer, "late", 0.3)


@pytest.mark.usefixtures("group_rows_of_others")
async def test_flush_empties_everything(layer: Layer) -> None:
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.send(channel, {"type": "x"})
    await layer.flush()
    await layer.group_send("g", {"type": "x"})
    with pytest.raises(TimeoutError):
        await take(layer, channel, 0.3)


async def test_names_and_messages_are_checked(layer: Layer) -> None:
    with pytest.raises(TypeError):
        await layer.send("no spaces", {"type": "x"})
    with pytest.raises(TypeError):
        await layer.group_add("no/slash", "channel")
    with pytest.raises(TypeError):
        await layer.group_send("g" * 101, {"type": "x"})
    with pytest.raises(TypeError):
        await layer.send("channel", "no dict")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="another process"):
        await layer.receive("specific.other!abc")


async def test_a_full_channel_keeps_the_newest(committed: None) -> None:
    layer = Layer(capacity=5, tier="test")
    try:
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "x", "n": -1})
        assert (await take(layer, channel))["n"] == -1
        queue = layer.receiver()._queues[channel]
        for number in range(12):
            await layer.send(channel, {"type": "x", "n": number})
        await auntil(lambda: queue.dropped == 7, "the oldest are dropped")
        assert [(await take(layer, channel))["n"] for _ in range(5)] == [7, 8, 9, 10, 11]
    except ChannelFull:
        pytest.fail("the sender cannot know how full another process is")
    finally:
        await layer.close()


async def test_encrypted_messages_are_unreadable_in_the_table(committed: None) -> None:
    layer = Layer(symmetric_encryption_keys=["secret"], tier="test")
    try:
        await layer.send("sealed", {"type": "x", "text": "plain as day"})
        [(stored,)] = await aquery(
            "SELECT message FROM channels_postgres_message WHERE channel = 'sealed'"
        )
        assert b"plain as day" not in bytes(stored)
        assert (await take(layer, "sealed"))["text"] == "plain as day"
    finally:
        await layer.close()


class Echo(AsyncJsonWebsocketConsumer):
    """A consumer of a user's own application, as Channels' tutorial writes them."""

    async def connect(self) -> None:
        await self.channel_layer.group_add("echo", self.channel_name)
        await self.accept()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("echo", {"type": "echo.said", "content": content})

    async def echo_said(self, event: dict[str, Any]) -> None:
        await self.send_json(event["content"])

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("echo", self.channel_name)


# asgiref's class is untyped.
_Communicator: Any = ApplicationCommunicator


class Browser(_Communicator):
    """The other end of a consumer. (channels.testing needs a server that is not installed.)"""

    def __init__(self) -> None:
        super().__init__(Echo.as_asgi(), {"type": "websocket", "path": "/", "headers": []})

    async def connect(self) -> None:
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(5))["type"] == "websocket.accept"

    async def say(self, content: Any) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(content)})

    async def hear(self) -> Any:
        return json.loads((await self.receive_output(5))["text"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)


async def test_channels_own_consumers_work_and_leave_nothing_behind(layer: Layer) -> None:
    channel_layers.set("default", layer)
    try:
        browsers = [Browser() for _ in range(12)]
        for browser in browsers:
            await browser.connect()
        await browsers[0].say({"hello": "all"})
        for browser in browsers:
            assert await browser.hear() == {"hello": "all"}
        await asyncio.to_thread(
            async_to_sync(layer.group_send), "echo", {"type": "echo.said", "content": [1]}
        )
        for browser in browsers:
            assert await browser.hear() == [1]
            assert await browser.receive_nothing(0.01)
        for browser in browsers:
            await browser.leave()
        assert not layer.receiver()._queues
        assert not layer.receiver()._groups
        assert await aquery(
            "SELECT count(*) FROM channels_postgres_groupchannel WHERE group_key LIKE '%%:echo'"
        ) == [(0,)]
    finally:
        channel_layers.backends.clear()
