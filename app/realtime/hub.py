"""What one WebSocket worker knows: its sockets, its rooms, and who to tell what.

One hub a process, on one event loop. Hints and events come in, frames go out; what was lost on the
way its ticks find.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from accounts.users import UserRow
from chat import actions, epoch, events
from chat.standing import Mark, astanding
from realtime import hints, pool
from realtime.doubts import Doubts
from realtime.flusher import HINT_GAP_SECONDS, HINT_SQL, AsyncFlusher
from realtime.inbox import Inbox
from realtime.layer import HardenedPostgresChannelLayer
from realtime.pool import AWAY
from realtime.presence import Presence
from realtime.publish import WORKERS
from realtime.room import Room
from realtime.signed_in import SignedIn
from realtime.ticks import Ticks
from realtime.writer import Writer

logger = logging.getLogger(__name__)

# A room outlives its last socket by this, so that a reconnect finds it open.
ROOM_LINGER_SECONDS = 8.0

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
        self.writer = Writer(tells=True)
        self.inbox = Inbox(self)
        self._channel = f"worker.{layer.client_prefix}!{uuid.uuid4().hex}"
        self.presence = Presence(self._channel, self._presence_changed)
        self.doubts = Doubts(self)
        self.ticks = Ticks(self)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def worker(self) -> str:
        """The name of this worker's one channel, and of its rows of presence."""
        return self._channel

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen and to beat; does not wait for the database."""
        self.receiver.start()
        self.listener.subscribe(hints.CHANNEL, self._heard, self.ticks.everything)
        create = self.loop.create_task
        self._tasks = [
            create(self._take_events(), name="worker events"),
            *self.ticks.start(),
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
                await self.ticks.rooms()
        except BaseException:
            self.drop(room)
            raise
        # Hints that came since the room was made are in it, so nothing falls between.
        room.online_elsewhere(elsewhere[chat_id])
        room.open_at(standing)

    def drop(self, room: Room) -> None:
        """Forget a room, and stop what runs for it."""
        if self.rooms.get(room.chat_id) is room:
            del self.rooms[room.chat_id]
        room.close()

    async def close_idle_rooms(self) -> None:
        """Leave the groups of rooms that nobody has been in for a while. Raises psycopg.Error."""
        before = self.loop.time() - ROOM_LINGER_SECONDS
        for room in list(self.rooms.values()):
            if not room.guests and room.idle_since < before:
                self.drop(room)
                await self.layer.group_discard(f"chat.{room.chat_id}", self._channel)
                if room.chat_id in self.rooms:
                    # Opened again while its row was being taken away.
                    await self.layer.group_add(f"chat.{room.chat_id}", self._channel)

    # -- what comes in ------------------------------------------------------------------------

    def _heard(self, payload: str, sender: int) -> None:
        if sender in self.writer.telling:
            # Of this worker's own message, whose author is to have the ack ahead of it.
            return
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
            self.ticks.database_failed(error)
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
            self.loop.create_task(self.ticks.rooms(), name="epoch")
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

    def tell_message(self, hint: hints.Hint, told: bool) -> None:
        """Show everyone, here and on other workers, a message that was stored a moment ago.

        `told`: the others have its hint already.
        """
        self.hear(hint)
        if not told:
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
