"""What one WebSocket worker knows: its sockets, its rooms, and who to tell what.

One hub a process, on one event loop. Hints and events come in, frames go out; three beats find
what was lost on the way: the rooms' last messages, access, and leases.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from channels.layers import get_channel_layer
from django.conf import settings

from accounts.users import UserRow
from chat import actions, epoch, events, permissions
from chat.standing import Mark, astanding
from realtime import hints, pool
from realtime.backoff import jitter
from realtime.closing import FORBIDDEN, NO_SUCH_CHAT, RESTART
from realtime.doubts import Doubts
from realtime.flusher import HINT_GAP_SECONDS, HINT_SQL, AsyncFlusher
from realtime.inbox import Inbox
from realtime.layer import HardenedPostgresChannelLayer
from realtime.presence import RENEW_SECONDS, Presence
from realtime.publish import WORKERS
from realtime.room import Room
from realtime.signed_in import ACCESS_BATCH, SignedIn
from realtime.writer import Writer

logger = logging.getLogger(__name__)

AWAY = (psycopg.Error, OSError, TimeoutError)

# A lost hint is found within this: the "within seconds" of docs/protocol.md.
ROOM_TICK_SECONDS = 2.0
# A lost event about a session or a membership is made good within this.
ACCESS_TICK_SECONDS = 5.0
# A room outlives its last socket by this, so that a reconnect finds it open.
ROOM_LINGER_SECONDS = 8.0

# One row where there is none of the chats: the epoch alone.
STANDINGS_SQL = f"""
SELECT e.epoch, c.id, c.last_seq, c.departures
FROM ({epoch.EPOCH_SQL}) e (epoch) LEFT JOIN chat_chat c ON c.id = ANY(%(chats)s)
"""
# Nothing is told where another history holds.
HISTORY_HINT_SQL = f"{HINT_SQL} WHERE ({epoch.EPOCH_SQL}) = %s"


class Hub:
    """The worker's state. `on_deaf` is called when the worker should be replaced."""

    def __init__(self, layer: HardenedPostgresChannelLayer) -> None:
        self.loop = asyncio.get_running_loop()
        self.layer = layer
        self.receiver = layer.receiver()
        self.listener = self.receiver.listener
        self.epoch = ""
        self.draining = False
        # WebSockets that were accepted, signed in or not yet.
        self.accepted = 0
        self.on_deaf: Callable[[], None] = lambda: None
        # When the database last answered, and what it said when it did not.
        self.database_at = self.loop.time()
        self.database_trouble = "not asked yet"
        # Since when it has answered without fail.
        self._answering_since = self.loop.time()

        self.rooms: dict[int, Room] = {}
        self.signed_in = SignedIn()
        self.sockets = self.signed_in.sockets

        # Each with the history that its message is of.
        self._hints: AsyncFlusher[tuple[str, hints.Hint]] = AsyncFlusher(
            "hints", self._send_hints, HINT_GAP_SECONDS
        )
        # For the groups' other workers: this one has been told.
        self.events: AsyncFlusher[tuple[str, dict[str, Any]]] = AsyncFlusher(
            "events", self._send_events
        )
        self.reads: AsyncFlusher[tuple[int, UserRow, int]] = AsyncFlusher(
            "reads", self._write_reads
        )
        self.writer = Writer()
        self.inbox = Inbox(self)
        self._channel = f"worker.{layer.client_prefix}!{uuid.uuid4().hex}"
        self.presence = Presence(self._channel, self._presence_changed)
        self.doubts = Doubts(self)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def worker(self) -> str:
        """The name of this worker's one channel, and of its rows of presence."""
        return self._channel

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen and to beat; does not wait for the database."""
        self.receiver.start()
        self.listener.subscribe(hints.CHANNEL, self._heard, self._reconnected)
        create = self.loop.create_task
        self._tasks = [
            create(self._take_events(), name="worker events"),
            create(self._beat(ROOM_TICK_SECONDS, self._tick_rooms), name="room tick"),
            create(self._beat(ACCESS_TICK_SECONDS, self._tick_access), name="access tick"),
            create(self._beat(RENEW_SECONDS, self._tick_leases), name="lease tick"),
            create(self.signed_in.expire(), name="token tick"),
        ]

    async def close(self) -> None:
        """Send what waits, take this worker's rows along, and let go of the database."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for room in self.rooms.values():
            room.close()
        await self.inbox.close()
        self.doubts.close()
        # What is stored is hinted at, so this comes first.
        await self.writer.close()
        await asyncio.gather(
            self._hints.close(), self.reads.close(), self.presence.close(), return_exceptions=True
        )
        await self.events.close()
        await self.layer.close()

    async def _beat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(jitter(seconds))
            try:
                await work()
            except AWAY as error:
                self._database_failed(error)
            except Exception:
                # One bad turn must not end the beat.
                logger.exception("%s failed", getattr(work, "__name__", "beat"))

    def _database_failed(self, error: BaseException) -> None:
        trouble = f"{type(error).__name__}: {error}".split("\n")[0]
        if not self.database_trouble:
            logger.warning("the database is away: %s", trouble)
        self.database_trouble = trouble

    def _database_answered(self) -> None:
        if self.database_trouble:
            logger.info("the database answers")
            self._answering_since = self.loop.time()
        self.database_at, self.database_trouble = self.loop.time(), ""

    # -- rooms --------------------------------------------------------------------------------

    async def enter(self, chat_id: int) -> Room:
        """Return the chat's room, open; each call is paired with a `leave`.

        Raises psycopg.Error when the database is away.
        """
        room = self.rooms.get(chat_id)
        if room is None:
            room = self.rooms[chat_id] = Room(self, chat_id)
        room.guests += 1
        try:
            await asyncio.shield(room.opening)
        except BaseException:
            self.leave(room)
            raise
        return room

    def leave(self, room: Room) -> None:
        """Undo an `enter`."""
        room.guests -= 1
        room.idle_since = self.loop.time()

    async def open_room(self, room: Room) -> None:
        """Join the room's group and find where it stands. Raises psycopg.Error."""
        chat_id = room.chat_id
        try:
            await self.layer.group_add(f"chat.{chat_id}", self._channel)
            async with pool.connection() as db:
                standing = await astanding(db, chat_id)
            elsewhere = await self.presence.elsewhere([chat_id])
            if not self.epoch:
                await self._tick_rooms()
        except BaseException:
            self._drop(room)
            raise
        # Hints that came since the room was made are in it, so nothing falls between.
        room.online_elsewhere(elsewhere[chat_id])
        room.open_at(standing)

    def _drop(self, room: Room) -> None:
        if self.rooms.get(room.chat_id) is room:
            del self.rooms[room.chat_id]
        room.close()

    async def _close_idle_rooms(self) -> None:
        before = self.loop.time() - ROOM_LINGER_SECONDS
        for room in list(self.rooms.values()):
            if not room.guests and room.idle_since < before:
                self._drop(room)
                await self.layer.group_discard(f"chat.{room.chat_id}", self._channel)
                if room.chat_id in self.rooms:
                    # Opened again while its row was being taken away.
                    await self.layer.group_add(f"chat.{room.chat_id}", self._channel)

    # -- what comes in ------------------------------------------------------------------------

    def _heard(self, payload: str) -> None:
        for hint in hints.unpack(payload):
            self.hear(hint)

    def hear(self, hint: hints.Hint) -> None:
        """Take a hint, from the listener or from a socket of this worker."""
        if room := self.rooms.get(hint.chat_id):
            room.hear(hint.seq, hint.departures, hint.frame.encode())
        self.inbox.hear(hint.chat_id, hint.seq)

    async def _take_events(self) -> None:
        try:
            await self.layer.group_add(WORKERS, self._channel)
        except AWAY as error:
            # The listener writes the row again when it has connected.
            self._database_failed(error)
        while True:
            try:
                self._handle(await self.layer.receive(self._channel))
            except Exception:
                # One bad event must not end the worker's hearing.
                logger.exception("an event failed")

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "members.changed":
            self._members_changed(event["chat_id"], event["user_id"], event["change"])
        elif kind == "session.ended":
            for sid in event["sids"]:
                self.signed_in.end(uuid.UUID(sid))
        elif kind == "read":
            self._has_read(event["chat_id"], event["user"], event["seq"])
        elif kind == "typing":
            self.show_typing(event["chat_id"], event["user"])
        elif kind == "presence.changed":
            self.doubts.presence([event["chat_id"]])
        elif kind == "epoch.changed":
            self.loop.create_task(self._tick_rooms(), name="epoch")
        else:
            logger.warning("event of unknown type %r", kind)

    def _members_changed(self, chat_id: int, user_id: int, change: str) -> None:
        room = self.rooms.get(chat_id)
        if room is not None and change != "added":
            room.suspend(user_id)
        self.inbox.changed(chat_id, user_id)
        self.doubts.members([chat_id])

    def _has_read(self, chat_id: int, user: dict[str, Any], seq: int) -> None:
        if room := self.rooms.get(chat_id):
            room.learn([Mark(_user(user), seq)])
        self.inbox.changed(chat_id, user["id"])

    def show_typing(self, chat_id: int, user: dict[str, Any]) -> None:
        """Show the sockets of this worker that someone types."""
        if room := self.rooms.get(chat_id):
            room.typing(user, events.typing_frame(_user(user)))

    # -- what goes out ------------------------------------------------------------------------

    def tell_typing(self, chat_id: int, user: UserRow) -> None:
        """Show everyone, here and on other workers, that someone types."""
        public = events.user_dict(user)
        self.show_typing(chat_id, public)
        event = {"type": "typing", "chat_id": chat_id, "user": public}
        self.events.put((f"chat.{chat_id}", event))

    def _presence_changed(self, chats: Iterable[int]) -> None:
        for chat_id in chats:
            event = {"type": "presence.changed", "chat_id": chat_id}
            self.events.put((f"chat.{chat_id}", event))

    def tell_message(self, hint: hints.Hint) -> None:
        """Show everyone, here and on other workers, a message that was stored a moment ago."""
        self.hear(hint)
        self._hints.put((self.epoch, hint))

    async def _send_hints(self, batch: list[tuple[str, hints.Hint]]) -> None:
        # What waited for a database that came back from a backup tells of numbers that are not
        # given in it, and a worker would believe it. What is lost besides, the tick finds.
        of_epoch = batch[-1][0]
        payloads = hints.pack(hint for history, hint in batch if history == of_epoch)
        await pool.execute(HISTORY_HINT_SQL, (hints.CHANNEL, payloads, of_epoch))

    async def _send_events(self, batch: list[tuple[str, dict[str, Any]]]) -> None:
        await self.layer.group_send_many(batch, self._channel)

    async def _write_reads(self, batch: list[tuple[int, UserRow, int]]) -> None:
        users = {user.id: user for _, user, _ in batch}
        async with pool.connection() as db:
            reads = [(chat_id, user.id, seq) for chat_id, user, seq in batch]
            changed = await actions.amark_read(db, reads)
        for read in changed:
            event = actions.read_event(read.chat_id, users[read.user_id], read.seq)
            self._handle(event)
            self.events.put((WORKERS, event))

    # -- what was lost on the way -------------------------------------------------------------

    async def _reconnected(self) -> None:
        """Make good what was missed while nothing was heard. Raises psycopg.Error."""
        await self._tick_rooms()
        await self._tick_access()
        await self.presence.renew()
        await self._assert_presence()
        self.doubts.presence(self.rooms)
        self.doubts.members(self.rooms)
        await self.inbox.resync()

    async def _tick_rooms(self) -> None:
        """Find lost hints, another epoch, and chats that are gone."""
        rooms = [room for room in self.rooms.values() if room.delivered >= 0]
        # Rooms move on during the query: what it finds is held against what was before it.
        delivered = {room.chat_id: room.delivered for room in rooms}
        rows = await pool.fetch(STANDINGS_SQL, {"chats": list(delivered)})
        found = str(rows[0][0])
        last_seqs = {chat_id: rest for _, chat_id, *rest in rows if chat_id is not None}
        self._database_answered()
        rewritten: list[Room] = []
        if self.epoch and found != self.epoch:
            logger.warning("the database tells another history: all chats are opened anew")
            rewritten = list(self.rooms.values())
        else:
            # A restore that nobody told of with `new_epoch`: numbers were taken back.
            rewritten = [
                self.rooms[chat_id]
                for chat_id, seq in delivered.items()
                if chat_id in self.rooms and last_seqs.get(chat_id, [seq])[0] < seq
            ]
        for room in rewritten:
            room.close_sockets(RESTART, "the history has changed")
            self._drop(room)
        self.epoch = found
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
                self.doubts.members([room.chat_id])
        await self.inbox.tick()
        await self._close_idle_rooms()
        self._watch_for_deafness()

    def _watch_for_deafness(self) -> None:
        """The database has answered all along: if the listener is deaf, it is not its fault."""
        health = self.listener.health()
        answering = self.loop.time() - self._answering_since
        if health.reason and min(health.age, answering) > settings.ENV.ws_deaf_seconds:
            logger.critical("this worker ends itself: %s", health.reason)
            self.on_deaf()

    async def _tick_access(self) -> None:
        """Close sockets whose session, or membership, is over."""
        await self.signed_in.check()
        inside = [
            (room.chat_id, user_id) for room in self.rooms.values() for user_id in room.user_ids
        ]
        for start in range(0, len(inside), ACCESS_BATCH):
            async with pool.connection() as db:
                strangers = await permissions.astrangers(db, inside[start : start + ACCESS_BATCH])
            for chat_id, user_id in strangers:
                if room := self.rooms.get(chat_id):
                    room.close_sockets(FORBIDDEN, "not a member any more", user_id)

    async def _tick_leases(self) -> None:
        if not await self.presence.renew():
            # Away for longer than the lease: the janitor has swept this worker's rows.
            await self._assert_presence()
        self.doubts.presence(await self.presence.sweep())

    async def _assert_presence(self) -> None:
        pairs = [(chat_id, user) for chat_id, room in self.rooms.items() for user in room.user_ids]
        await self.presence.assert_all(pairs)


def _user(public: dict[str, Any]) -> UserRow:
    return UserRow(public["id"], public["username"], public["first_name"], public["last_name"])


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


async def get_hub() -> Hub:
    """Return the running loop's hub, started."""
    loop = asyncio.get_running_loop()
    if (hub := _hubs.get(loop)) is None:
        layer = get_channel_layer()
        if not isinstance(layer, HardenedPostgresChannelLayer):
            raise TypeError(f"the channel layer is {layer!r}; see the check realtime.E003")
        hub = _hubs[loop] = Hub(layer)
        hub.start()
    return hub


async def close_hub() -> None:
    """Close the running loop's hub, if there is one."""
    hub = _hubs.pop(asyncio.get_running_loop(), None)
    if hub is not None:
        await hub.close()
