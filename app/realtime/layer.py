"""channels-postgres, hardened: the Channels layer of this project.

What plain channels-postgres does wrong, and where it is put right:

- it goes deaf when its LISTEN connection drops, starts a listener for each waiting consumer,
  and misses what commits before LISTEN: `listener.Listener`;
- it takes an advisory lock, a queue and a task for each channel name, for ever, and a starting
  process takes the messages of all others: `receiver.Receiver`;
- its pool belongs to the first event loop, so it breaks under WSGI, and it publishes outside
  the request's transaction: here every loop that receives has its own half, and every other
  caller writes through Django's connection of its own thread;
- rows are never cleaned, and no index helps: `janitor.Janitor`, migration 0001.
"""

import asyncio
import os
import uuid
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from channels.layers import BaseChannelLayer
from channels_postgres.core import PostgresChannelLayer
from django.db import connections

from realtime import pool, statements
from realtime.receiver import Receiver

# Messages that wait on one channel before the oldest is dropped; a worker takes thousands a
# second, and what it loses here its checks against the tables find.
CAPACITY = 10_000
# A group row of a channel that belongs to no process, as long as channels_redis keeps it.
GROUP_EXPIRY_SECONDS = 86_400


class HardenedPostgresChannelLayer(PostgresChannelLayer):
    """The Channels layer API on PostgreSQL; CONFIG may hold all of `__init__`'s arguments.

    `using` is the alias of Django's database, whose host, name and role the layer shares.
    """

    def __init__(
        self,
        prefix: str = "asgi",
        expiry: int = 60,
        group_expiry: int = GROUP_EXPIRY_SECONDS,
        symmetric_encryption_keys: Any = None,
        capacity: int = CAPACITY,
        using: str = "default",
        tier: str = "ws",
    ) -> None:
        BaseChannelLayer.__init__(self, expiry=expiry, capacity=capacity)
        self.prefix = prefix
        self.group_expiry = group_expiry
        self.crypter = None
        self._setup_encryption(symmetric_encryption_keys)
        self.using = using
        self.tier = tier
        self._receivers: WeakKeyDictionary[asyncio.AbstractEventLoop, Receiver] = (
            WeakKeyDictionary()
        )
        self._own_prefix = (0, "")

    @property
    def client_prefix(self) -> str:
        """The part of a channel name that stands for this process; new after a fork."""
        pid, prefix = self._own_prefix
        if pid != os.getpid():
            prefix = uuid.uuid4().hex[:8]
            self._own_prefix = (os.getpid(), prefix)
        return prefix

    # -- synchronous, for the WSGI tier ------------------------------------------------------

    def publish(self, group: str, event: dict[str, Any]) -> None:
        """Send to a group inside the calling thread's transaction, through Django."""
        self.require_valid_group_name(group)
        self._execute(
            statements.GROUP_SEND,
            {
                "group": self._group_key(group),
                "message": self.serialize(event),
                "expiry": self.expiry,
            },
        )

    def _execute(self, statement: str, params: dict[str, Any]) -> None:
        with connections[self.using].cursor() as cursor:
            cursor.execute(statement, params)

    def _execute_apart(self, statement: str, params: dict[str, Any]) -> None:
        """Execute in whichever thread this is, in its transaction if there is one.

        Outside a transaction a connection that broke is replaced; inside one it must not be
        touched, as Channels' database_sync_to_async would.
        """
        connection = connections[self.using]
        if connection.in_atomic_block:
            self._execute(statement, params)
            return
        connection.close_if_unusable_or_obsolete()
        try:
            self._execute(statement, params)
        finally:
            connection.close_if_unusable_or_obsolete()

    # -- the Channels API --------------------------------------------------------------------

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message to one channel."""
        if not isinstance(message, dict):
            raise TypeError(f"a message is a dict, not {type(message).__name__}")
        self.require_valid_channel_name(channel)
        if "__asgi_channel__" in message:
            raise ValueError("__asgi_channel__ is a reserved key")
        params = {"channel": channel, "message": self.serialize(message), "expiry": self.expiry}
        await self._run(statements.SEND, params)

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message on `channel`; each goes to one receiver."""
        self.require_valid_channel_name(channel)
        if "!" in channel and f".{self.client_prefix}!" not in channel:
            raise ValueError(f"channel {channel} belongs to another process")
        message: dict[str, Any] = self.deserialize(await self.receiver().receive(channel))
        return message

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name for a channel that only this process receives on."""
        return f"{prefix}.{self.client_prefix}!{uuid.uuid4().hex}"

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group. Its row lives while the channel's process lives."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        key = self._group_key(group)
        specific = "!" in channel
        receiver = self._receivers.get(asyncio.get_running_loop())
        if specific and receiver is not None and f".{self.client_prefix}!" in channel:
            receiver.joined(key, channel)
        lease = statements.LEASE_SECONDS if specific else self.group_expiry
        await self._run(
            statements.GROUP_ADD, {"groups": [key], "channels": [channel], "lease": lease}
        )

    async def group_discard(self, group: str, channel: str, expire: int | None = None) -> None:
        """Take a channel out of a group; nothing happens when it is not in it."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        key = self._group_key(group)
        receiver = self._receivers.get(asyncio.get_running_loop())
        if receiver is not None:
            receiver.left(key, channel)
        await self._run(statements.GROUP_DISCARD, {"group": key, "channel": channel})

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message to every channel in a group."""
        self.require_valid_group_name(group)
        await self._run(
            statements.GROUP_SEND,
            {
                "group": self._group_key(group),
                "message": self.serialize(message),
                "expiry": self.expiry,
            },
        )

    async def group_send_many(
        self, events: Sequence[tuple[str, dict[str, Any]]], sender: str
    ) -> None:
        """Send several (group, message) in one statement, to all members but the channel `sender`.

        Where a group has no other member, nothing is written and nobody woken.
        """
        await self._run(
            statements.GROUP_SEND_MANY,
            {
                "groups": [self._group_key(group) for group, _ in events],
                "messages": [self.serialize(message) for _, message in events],
                "expiry": self.expiry,
                "sender": sender,
            },
        )

    async def flush(self) -> None:
        """Delete every message and every group row."""
        await self._run(statements.FLUSH, {})

    # -- this event loop's half --------------------------------------------------------------

    def receiver(self) -> Receiver:
        """Return the running loop's receiver, made on first use and not yet started."""
        loop = asyncio.get_running_loop()
        if (receiver := self._receivers.get(loop)) is None:
            receiver = Receiver(self.tier, self.client_prefix, self.expiry, self.capacity)
            self._receivers[loop] = receiver
        return receiver

    async def close(self) -> None:
        """End the running loop's receiver, its listener and its pool."""
        receiver = self._receivers.pop(asyncio.get_running_loop(), None)
        if receiver is not None:
            await receiver.close()
        await pool.close_pool()

    async def _run(self, statement: str, params: dict[str, Any]) -> None:
        """Execute on the loop's pool if it receives, else on Django's connection.

        Under `async_to_sync` a short-lived loop stands in for the calling thread, and this leads
        back into that thread: the statement is part of the caller's transaction, and nothing
        outlives the loop.
        """
        if asyncio.get_running_loop() in self._receivers:
            await pool.execute(statement, params)
        else:
            await sync_to_async(self._execute_apart, thread_sensitive=True)(statement, params)
