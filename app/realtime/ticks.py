"""What a worker looks for now and then: what was lost on its way, and a database that is away.

Three beats ask the tables: how far the rooms' messages go, who may still be here, and for the
leases of presence. All of that at once when the listener has connected anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from django.conf import settings

from chat import epoch, permissions
from realtime import pool
from realtime.backoff import jitter
from realtime.closing import FORBIDDEN, NO_SUCH_CHAT, RESTART
from realtime.pool import AWAY
from realtime.presence import RENEW_SECONDS
from realtime.signed_in import ACCESS_BATCH

if TYPE_CHECKING:
    from realtime.hub import Hub
    from realtime.room import Room

logger = logging.getLogger(__name__)

# A lost hint is found within this: the "within seconds" of docs/protocol.md.
ROOM_TICK_SECONDS = 2.0
# A lost event about a session or a membership is made good within this.
ACCESS_TICK_SECONDS = 5.0

# One row where there is none of the chats: the epoch alone.
STANDINGS_SQL = f"""
SELECT e.epoch, c.id, c.last_seq, c.departures
FROM ({epoch.EPOCH_SQL}) e (epoch) LEFT JOIN chat_chat c ON c.id = ANY(%(chats)s)
"""


class Ticks:
    """The hub's beats, and what they last heard of the database."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._loop = hub.loop
        # When the database last answered, and what it said when it did not.
        self.database_at = self._loop.time()
        self.database_trouble = "not asked yet"
        # Since when it has answered without fail.
        self._answering_since = self._loop.time()

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to beat; returns the tasks, which run until they are cancelled."""
        create = self._loop.create_task
        return [
            create(self._beat(ROOM_TICK_SECONDS, self.rooms), name="room tick"),
            create(self._beat(ACCESS_TICK_SECONDS, self.access), name="access tick"),
            create(self._beat(RENEW_SECONDS, self.leases), name="lease tick"),
        ]

    async def _beat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(jitter(seconds))
            try:
                await work()
            except AWAY as error:
                self.database_failed(error)
            except Exception:
                # One bad turn must not end the beat.
                logger.exception("the tick of %s failed", getattr(work, "__name__", "a beat"))

    def database_failed(self, error: BaseException) -> None:
        """Note that the database does not answer."""
        trouble = f"{type(error).__name__}: {error}".split("\n")[0]
        if not self.database_trouble:
            logger.warning("the database is away: %s", trouble)
        self.database_trouble = trouble

    def _database_answered(self) -> None:
        if self.database_trouble:
            logger.info("the database answers")
            self._answering_since = self._loop.time()
        self.database_at, self.database_trouble = self._loop.time(), ""

    async def everything(self) -> None:
        """Make good what was missed while nothing was heard. Raises psycopg.Error."""
        hub = self._hub
        await self.rooms()
        await self.access()
        await hub.presence.renew()
        await self._assert_presence()
        hub.doubts.presence(hub.rooms)
        hub.doubts.members(hub.rooms)
        await hub.inbox.resync()

    async def rooms(self) -> None:
        """Find lost hints, another epoch, and chats that are gone. Raises psycopg.Error."""
        hub = self._hub
        rooms = [room for room in hub.rooms.values() if room.delivered >= 0]
        # Rooms move on during the query: what it finds is held against what was before it.
        delivered = {room.chat_id: room.delivered for room in rooms}
        rows = await pool.fetch(STANDINGS_SQL, {"chats": list(delivered)})
        found = str(rows[0][0])
        last_seqs = {chat_id: rest for _, chat_id, *rest in rows if chat_id is not None}
        self._database_answered()
        rewritten: list[Room] = []
        if hub.epoch and found != hub.epoch:
            logger.warning("the database tells another history: all chats are opened anew")
            rewritten = list(hub.rooms.values())
            hub.inbox.close_sockets(RESTART, "the history has changed")
        else:
            # A restore that nobody told of with `new_epoch`: numbers were taken back.
            rewritten = [
                hub.rooms[chat_id]
                for chat_id, seq in delivered.items()
                if chat_id in hub.rooms and last_seqs.get(chat_id, [seq])[0] < seq
            ]
        for room in rewritten:
            room.close_sockets(RESTART, "the history has changed")
            hub.drop(room)
        hub.epoch = found
        for room in rooms:
            if room.closed:
                continue
            standing = last_seqs.get(room.chat_id)
            if standing is None:
                room.close_sockets(NO_SUCH_CHAT, "no such chat")
                continue
            last_seq, departures = standing
            room.hear(last_seq, departures, b"")
            if departures > room.departures:
                hub.doubts.members([room.chat_id])
        await hub.inbox.tick()
        await hub.close_idle_rooms()
        self._watch_for_deafness()

    def _watch_for_deafness(self) -> None:
        """The database has answered all along: if the listener is deaf, it is not its fault."""
        health = self._hub.listener.health()
        answering = self._loop.time() - self._answering_since
        if health.reason and min(health.age, answering) > settings.ENV.ws_deaf_seconds:
            logger.critical("this worker ends itself: %s", health.reason)
            self._hub.on_deaf()

    async def access(self) -> None:
        """Close sockets whose session, or membership, is over. Raises psycopg.Error."""
        hub = self._hub
        await hub.signed_in.check()
        inside = [
            (room.chat_id, user_id) for room in hub.rooms.values() for user_id in room.user_ids
        ]
        for start in range(0, len(inside), ACCESS_BATCH):
            async with pool.connection() as db:
                strangers = await permissions.astrangers(db, inside[start : start + ACCESS_BATCH])
            for chat_id, user_id in strangers:
                if room := hub.rooms.get(chat_id):
                    room.close_sockets(FORBIDDEN, "not a member any more", user_id)

    async def leases(self) -> None:
        """Renew this worker's lease, and end those of the dead. Raises psycopg.Error."""
        presence = self._hub.presence
        if not await presence.renew():
            # Away for longer than the lease: the janitor has swept this worker's rows.
            await self._assert_presence()
        self._hub.doubts.presence(await presence.sweep())

    async def _assert_presence(self) -> None:
        rooms = self._hub.rooms.items()
        pairs = [(chat_id, user) for chat_id, room in rooms for user in room.user_ids]
        await self._hub.presence.assert_all(pairs)
