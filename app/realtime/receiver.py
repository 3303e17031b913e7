"""The receiving half of the channel layer, for one event loop."""

import asyncio
import base64
import logging
import os
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import psycopg

from realtime import pool, statements
from realtime.backoff import backoff, jitter
from realtime.janitor import Janitor
from realtime.listener import LAYER_CHANNEL, Listener

logger = logging.getLogger(__name__)

# Messages handed out lately: a catch-up after a reconnect reads the same rows again.
# Bounded in number too; beyond it a very busy process may see a message twice when its
# connection drops.
MAX_SEEN = 100_000
RENEW_SECONDS = statements.LEASE_SECONDS / 3
# A renewal of everything at once would hold its rows' locks for long.
RENEW_BATCH = 1_000


# What makes a message that message: its id and when it expires. The id alone is given again after
# a crash of the database, which resets an unlogged table's sequence.
Key = tuple[int, str]


class Item(NamedTuple):
    """A message on a channel: which it is, and its bytes unless they have to be read first."""

    key: Key
    body: bytes | None


class Seen:
    """The messages of the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._keys: dict[Key, float] = {}

    def add(self, key: Key) -> bool:
        """Note a message; false when it was known."""
        now = self._loop.time()
        keys = self._keys
        if key in keys:
            return False
        keys[key] = now
        while keys:
            oldest = next(iter(keys))
            if len(keys) <= MAX_SEEN and keys[oldest] > now - self._seconds:
                break
            del keys[oldest]
        return True

    def discard(self, key: Key) -> None:
        """Forget a message, so that it may be handed out again."""
        self._keys.pop(key, None)


class ChannelQueue:
    """What waits on one channel, bounded: the oldest goes first when nobody takes."""

    def __init__(self, capacity: int, now: float) -> None:
        self.items: deque[Item] = deque()
        self.capacity = capacity
        self.waiters: deque[asyncio.Future[None]] = deque()
        self.receivers = 0
        self.idle_since = now
        self.caught_up: asyncio.Task[None] | None = None
        # While the table is read, what is heard waits here, so that it comes after.
        self.catching_up = 0
        self.held: list[Item] = []
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Add an item and wake one receiver."""
        if len(self.items) >= self.capacity:
            self.items.popleft()
            self.dropped += 1
            if self.dropped == 1:
                logger.warning("a channel is over its capacity of %d messages", self.capacity)
        self.items.append(item)
        self.wake()

    def wake(self) -> None:
        """Wake the first receiver that still waits."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def get(self) -> Item:
        """Wait for an item and take it."""
        while not self.items:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self.wake()
                elif waiter in self.waiters:
                    # It is not where an item came in the very moment, and found it cancelled.
                    self.waiters.remove(waiter)
                raise
        return self.items.popleft()


class Receiver:
    """One listener, the queues of the channels received on, and the leases of their groups.

    A queue lives while somebody receives on its channel. What arrives when nobody does stays in
    the table, and is read when somebody comes, as long as it has not expired.
    """

    def __init__(self, tier: str, name: str, expiry: float, capacity: int) -> None:
        self._expiry = expiry
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, ChannelQueue] = {}
        self._groups: dict[str, set[str]] = {}
        # The (group, channel) that the last renewal found.
        self._renewed: set[tuple[str, str]] = set()
        # Channels with group rows and no receiver at the last renewal.
        self._absent: set[str] = set()
        self._seen = Seen(expiry + 10)
        self._tasks: list[asyncio.Task[None]] = []
        self.listener = Listener(f"chatire-listen:{tier}:{name}:{os.getpid()}")
        self.listener.subscribe(LAYER_CHANNEL, self._heard, self._reconnected)
        self.janitor = Janitor()

    def start(self) -> None:
        """Start listening; calling it again changes nothing."""
        self.listener.start()
        if not self._tasks:
            create = self._loop.create_task
            self._tasks = [
                create(self._renew(), name="leases"),
                create(self.janitor.run(), name="janitor"),
            ]

    async def close(self) -> None:
        """Stop listening; this loop's group rows go at once instead of with their lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.listener.close()
        if self._groups:
            try:
                await pool.execute(statements.FORGET, {"channels": list(self._groups)})
            except (psycopg.Error, OSError, TimeoutError):
                logger.warning("the group rows are left to their lease")
        self._queues.clear()
        self._groups.clear()

    def joined(self, group_key: str, channel: str) -> None:
        """Note a group row that this process keeps alive."""
        self._groups.setdefault(channel, set()).add(group_key)

    def left(self, group_key: str, channel: str) -> None:
        """Note that a group row is gone."""
        if groups := self._groups.get(channel):
            groups.discard(group_key)
            if not groups:
                del self._groups[channel]

    async def receive(self, channel: str) -> bytes:
        """Wait for the next message on `channel` and return its bytes."""
        self.start()
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = ChannelQueue(self._capacity, self._loop.time())
            queue.caught_up = self._loop.create_task(self._catch_up_when_listening(channel))
        queue.receivers += 1
        try:
            while True:
                item = await queue.get()
                try:
                    body = await self._body(channel, item)
                except asyncio.CancelledError:
                    self._seen.discard(item.key)
                    raise
                if body is not None:
                    return body
        except asyncio.CancelledError:
            if queue.receivers == 1:
                self._drop(channel, queue)
            raise
        finally:
            queue.receivers -= 1
            queue.idle_since = self._loop.time()

    def _drop(self, channel: str, queue: ChannelQueue) -> None:
        """Forget a queue; what was not taken may be read from the table again."""
        if self._queues.get(channel) is queue:
            del self._queues[channel]
        if queue.caught_up is not None:
            queue.caught_up.cancel()
        for item in queue.items:
            self._seen.discard(item.key)

    async def _body(self, channel: str, item: Item) -> bytes | None:
        """Return the message's bytes; None when it has expired or another process has it."""
        own = "!" in channel
        if own and item.body is not None:
            return item.body
        attempt = 0
        while True:
            try:
                rows = await pool.fetch(
                    statements.READ if own else statements.CLAIM, {"id": item.key[0]}
                )
            except (psycopg.Error, OSError, TimeoutError):
                attempt += 1
                await asyncio.sleep(backoff(attempt))
                continue
            return bytes(rows[0][0]) if rows else None

    def _heard(self, payload: str, _sender: int) -> None:
        """Take a notification of the trigger: `id:channel:base64 or nothing:expire`."""
        parts = payload.split(":")
        if len(parts) != 4 or not parts[0].isdecimal():
            # Anyone who may connect may notify; it must not cost the worker its hearing.
            logger.warning("a notification that is none of the layer's")
            return
        message_id, channel, text, expire = parts
        queue = self._queues.get(channel)
        if queue is None:
            return
        item = Item((int(message_id), expire), base64.b64decode(text) if text else None)
        if queue.catching_up:
            queue.held.append(item)
        elif self._seen.add(item.key):
            queue.put(item)

    async def _reconnected(self) -> None:
        """After every (re)connect: write the group rows again and read what was missed.

        The tables are UNLOGGED: after a crash of the database they are empty.
        """
        pairs = [(group, channel) for channel, groups in self._groups.items() for group in groups]
        for start in range(0, len(pairs), RENEW_BATCH):
            groups, channels = zip(*pairs[start : start + RENEW_BATCH], strict=True)
            await pool.execute(
                statements.GROUP_ADD,
                {
                    "groups": list(groups),
                    "channels": list(channels),
                    "lease": statements.LEASE_SECONDS,
                },
            )
        await self._catch_up(self._queues)

    async def _catch_up_when_listening(self, channel: str) -> None:
        while True:
            await self.listener.listening()
            try:
                await self._catch_up([channel])
                return
            except (psycopg.Error, OSError, TimeoutError):
                await asyncio.sleep(backoff(3))

    async def _catch_up(self, channels: Iterable[str]) -> None:
        """Read what waits in the table for these channels. Raises psycopg.Error."""
        queues = {name: queue for name in channels if (queue := self._queues.get(name))}
        for queue in queues.values():
            queue.catching_up += 1
        try:
            names = list(queues)
            for start in range(0, len(names), RENEW_BATCH):
                rows: list[Any] = await pool.fetch(
                    statements.CATCH_UP, {"channels": names[start : start + RENEW_BATCH]}
                )
                for message_id, channel, body, expire in rows:
                    item = Item((message_id, expire), None if body is None else bytes(body))
                    if self._seen.add(item.key):
                        queues[channel].put(item)
        finally:
            for queue in queues.values():
                queue.catching_up -= 1
                if not queue.catching_up:
                    held, queue.held = queue.held, []
                    for item in held:
                        if self._seen.add(item.key):
                            queue.put(item)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(jitter(RENEW_SECONDS))
            self._forget_the_idle()
            try:
                await self._renew_leases()
            except (psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("leases not renewed: %s", type(error).__name__)

    async def _renew_leases(self) -> None:
        """Renew this process's group rows; start over when some are gone. Raises psycopg.Error.

        A process that was stopped for longer than its lease finds them swept, and perhaps a
        connection that still hears: what was sent to its groups was not written for it.
        """
        names = [name for name in self._queues if "!" in name]
        there: set[tuple[str, str]] = set()
        for start in range(0, len(names), RENEW_BATCH):
            rows = await pool.fetch(
                statements.RENEW,
                {
                    "channels": names[start : start + RENEW_BATCH],
                    "lease": statements.LEASE_SECONDS,
                },
            )
            there.update((group, channel) for group, channel in rows)
        # One that was not there last time either is perhaps just being written.
        lost = {
            (group, channel)
            for group, channel in self._renewed - there
            if channel in self._queues and group in self._groups.get(channel, ())
        }
        self._renewed = there
        if lost:
            logger.warning("%d group rows are gone: listening anew", len(lost))
            self.listener.start_over()

    def _forget_the_idle(self) -> None:
        """Drop queues that nobody has received on for so long that all in them has expired."""
        before = self._loop.time() - self._expiry
        for channel, queue in list(self._queues.items()):
            if not queue.receivers and queue.idle_since < before:
                self._drop(channel, queue)
        absent = {name for name in self._groups if name not in self._queues}
        for channel in absent & self._absent:
            del self._groups[channel]
        self._absent = absent
