"""One chat on this worker: its sockets, and the last message they were sent.

The table is the truth, a hint only says "look". A room knows the `seq` it has delivered; the
next hint in order is handed on as it is, anything else makes the room read the table.

It knows as well how many had left the chat when it last made sure who is a member. A message that
was stored after more departures waits until the room has looked again, so that it reaches nobody
who had left before it, whatever became of the event that told of it.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import psycopg

from accounts.users import UserRow
from chat import events, history
from chat.permissions import Access
from chat.standing import Mark, Standing
from realtime import pool
from realtime.backoff import backoff
from realtime.closing import FORBIDDEN, RESTART, Close, Disconnected
from realtime.marks import Marks
from realtime.outbox import Frames
from realtime.query import ChatQuery
from realtime.sockets import Socket

if TYPE_CHECKING:
    from realtime.hub import Hub

# docs/protocol.md: a client further behind fetches the newest page instead.
MAX_REPLAY = 1_000
# Rows a query: a page that is read and sent in a few milliseconds.
PAGE = 200
# 4 to 8 % of hints in a busy room come out of order, by a few milliseconds: a gap is given that
# long to close before the table is asked.
GAP_SECONDS = 0.03
# Frames that wait for an earlier one; beyond it they are read from the table.
MAX_EARLY = 256
# A socket waits this long for a database that is away before it is sent to another worker.
CATCH_UP_SECONDS = 10.0
# Two presence frames of one room are at least this far apart, and further the more bytes they
# are: `PRESENCE_BYTES_PER_SECOND` is what presence may cost a room, whatever its size.
PRESENCE_SECONDS = 0.1
PRESENCE_BYTES_PER_SECOND = 4_000_000
PRESENCE_BYTES_PER_USER = 90
MAX_PRESENCE_SECONDS = 30.0


class Room:
    """Made by the hub for a chat's first socket, and dropped some seconds after the last."""

    def __init__(self, hub: "Hub", chat_id: int) -> None:
        self.hub = hub
        self.chat_id = chat_id
        self.live: set[Socket] = set()
        # Sockets that have entered and not left, live or on their way.
        self.guests = 0
        self.idle_since = hub.loop.time()
        self.closed = False
        # Opened by the first socket; whoever comes meanwhile waits for the same.
        self.opening = hub.loop.create_task(hub.open_room(self), name="room")
        self.delivered = -1
        # Every socket here is a member's as of this many departures.
        self.departures = 0
        self._wanted = 0
        self._early: dict[int, bytes] = {}
        self._reading: asyncio.Task[None] | None = None
        self._outgoing: list[bytes] = []
        # Sockets that are being sent what they missed, with what has come for them meanwhile.
        self._joining: dict[Socket, list[tuple[int, bytes]]] = {}
        # Sockets of users who are said to have left, until the table has been asked.
        self._suspended: set[Socket] = set()
        # user id -> number of sockets here; users seen by other workers.
        self._here: dict[int, tuple[UserRow, int]] = {}
        self._elsewhere: dict[int, UserRow] = {}
        self._presence: Frames | None = None
        self._presence_shown: set[int] = set()
        self._presence_wanted: set[Socket] = set()
        self._presence_timer: asyncio.TimerHandle | None = None
        self._presence_sent_at = 0.0
        self._marks = Marks()

    @property
    def user_ids(self) -> Iterable[int]:
        """The users that have a live socket here."""
        return self._here.keys()

    def open_at(self, standing: Standing) -> None:
        """Start to deliver what comes after where the chat stands."""
        self.learn(standing.marks)
        self.delivered, self.departures = standing.last_seq, standing.departures
        if self._wanted > self.delivered:
            self._read_on(0)

    def close(self) -> None:
        """Stop what runs for this room."""
        self.closed = True
        if self._reading is not None:
            self._reading.cancel()
        if self._presence_timer is not None:
            self._presence_timer.cancel()

    # -- messages -----------------------------------------------------------------------------

    def hear(self, seq: int, departures: int, frame: bytes) -> None:
        """Take a hint: message `seq` is committed, and `frame` is its frame, or empty."""
        if seq <= self.delivered:
            return
        self._wanted = max(self._wanted, seq)
        if self.delivered < 0:
            return
        if departures > self.departures:
            # Somebody has left of whom this room has not heard: the table says who.
            frame = b""
        if seq == self.delivered + 1 and frame:
            self._deliver(seq, frame)
            while (seq := self.delivered + 1) in self._early:
                self._deliver(seq, self._early.pop(seq))
        elif frame and len(self._early) < MAX_EARLY:
            self._early[seq] = frame
        if self.delivered < self._wanted:
            self._read_on(GAP_SECONDS if frame else 0)

    async def catch_up(self, seq: int) -> None:
        """Wait until everything up to `seq`, which the table has, is delivered."""
        self._wanted = max(self._wanted, seq)
        while self.delivered < seq and not self.closed:
            await asyncio.wait([self._read_on(0)])

    def _read_on(self, delay: float) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = self.hub.loop.create_task(self._read(delay), name="room")
        return self._reading

    async def _read(self, delay: float) -> None:
        """Deliver from the table until nothing is missing, however often that fails."""
        if delay:
            await asyncio.sleep(delay)
        attempt = 0
        while self.delivered < self._wanted:
            wanted = self._wanted
            try:
                async with pool.connection() as db:
                    rows, departures = await history.aafter(db, self.chat_id, self.delivered, PAGE)
                if departures > self.departures:
                    await self.hub.doubts.settle(self.chat_id)
            except (psycopg.Error, OSError, TimeoutError):
                attempt += 1
                await asyncio.sleep(backoff(attempt))
                continue
            for row in rows:
                if row.seq > self.delivered:
                    self._deliver(row.seq, events.message_frame(row).encode())
            if len(rows) < PAGE and self.delivered < wanted:
                # All up to `wanted` is committed, so what is not there was deleted.
                self.delivered = wanted
        for seq in [seq for seq in self._early if seq <= self.delivered]:
            del self._early[seq]

    def _deliver(self, seq: int, frame: bytes) -> None:
        self.delivered = seq
        for backlog in self._joining.values():
            backlog.append((seq, frame))
        self.send(frame)

    def send(self, frame: bytes) -> None:
        """Send a frame to every live socket, with all others of this turn of the loop."""
        if not self.live:
            return
        if not self._outgoing:
            self.hub.loop.call_soon(self._flush)
        self._outgoing.append(frame)

    def _flush(self) -> None:
        if self._outgoing:
            frames = Frames(self._outgoing)
            self._outgoing = []
            for socket in self.live:
                socket.outbox.push(frames)

    # -- sockets ------------------------------------------------------------------------------

    async def attach(self, socket: Socket, query: ChatQuery, access: Access) -> bool:
        """Send what the socket missed, then `ready` or `reset`, and make it live.

        `query` is what the client holds, `access` what the table said when it was let in. False,
        and nothing done, when somebody has left since: whether it was this client has to be
        asked again. Raises Disconnected when the client leaves meanwhile, Close when the history
        changes, TimeoutError when the database is away.
        """
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await self.catch_up(access.last_seq)
        if self.closed:
            # Of a history that is no more, while this waited.
            raise Close(RESTART, "come back")
        # From here the socket is always among those that are closed when they have left.
        if access.departures < self.departures:
            return False
        after, epoch = query
        if after is None:
            self._go_live(socket, events.ready_frame)
        elif (
            after > self.delivered
            or self.delivered - after > MAX_REPLAY
            or (epoch is not None and epoch != self.hub.epoch)
        ):
            self._go_live(socket, events.reset_frame)
        else:
            try:
                await self._replay(socket, after)
                self._go_live(socket, events.ready_frame)
            finally:
                self._joining.pop(socket, None)
        return True

    async def _replay(self, socket: Socket, sent: int) -> None:
        """Send everything after `sent`; on return the socket has what the room has delivered."""
        backlog: list[tuple[int, bytes]] = []
        self._joining[socket] = backlog
        while True:
            target = self.delivered
            while sent < target:
                async with pool.connection() as db:
                    rows, _ = await history.aafter(db, self.chat_id, sent, PAGE)
                rows = [row for row in rows if row.seq <= target]
                if not rows:
                    break
                sent = rows[-1].seq
                socket.push(*[events.message_frame(row) for row in rows])
                await socket.outbox.drained()
                if socket.outbox.gone:
                    raise Disconnected
            if len(backlog) > MAX_REPLAY:
                # A slow replay in a busy room; the table has it all, memory need not.
                backlog.clear()
                continue
            # From here to the socket's being live nothing awaits, so nothing is delivered.
            frames = [frame for seq, frame in backlog if seq > sent]
            if frames:
                socket.outbox.push(Frames(frames))
            return

    def _go_live(self, socket: Socket, first_frame: Any) -> None:
        if socket.outbox.gone:
            raise Disconnected
        if self.closed or socket in self._suspended:
            raise Close(RESTART, "come back")
        self._flush()
        socket.push(first_frame(self.delivered, self.hub.epoch))
        if marks := self._marks.of_others(socket.user.id):
            # Here, and not with the first presence: no mark comes twice, none goes back.
            socket.outbox.push(marks)
        self.live.add(socket)
        socket.room = self
        user, count = self._here.get(socket.user.id, (socket.user, 0))
        self._here[user.id] = (user, count + 1)
        if not count:
            self.hub.presence.came(self.chat_id, user.id)
            self._presence = None
        self._presence_wanted.add(socket)
        self._schedule_presence()

    def detach(self, socket: Socket) -> None:
        """Forget a socket."""
        self._joining.pop(socket, None)
        self._suspended.discard(socket)
        if socket in self.live:
            self.live.discard(socket)
            socket.room = None
            self._presence_wanted.discard(socket)
            user, count = self._here[socket.user.id]
            if count > 1:
                self._here[user.id] = (user, count - 1)
            else:
                del self._here[user.id]
                self.hub.presence.went(self.chat_id, user.id)
                self._presence = None
                self._schedule_presence()

    def suspend(self, user_id: int) -> None:
        """Send a user's sockets nothing more, from this moment, until `settle` is called.

        What follows a removal in the order of commits must not reach the removed, not even in
        the millisecond that asking the table takes.
        """
        self._marks.forget(user_id)
        for socket in [*self.live, *self._joining]:
            if socket.user.id == user_id:
                self.detach(socket)
                self._suspended.add(socket)

    def sockets(self) -> set[Socket]:
        """Every socket that is here, whatever it is sent."""
        return {*self.live, *self._joining, *self._suspended}

    def settle(self, members: set[int], departures: int, before: set[Socket]) -> bool:
        """Close every socket whose user is no member, as of so many departures.

        One that is not among those `before` the table was asked may be of somebody who has joined
        since. It is sent nothing until the table was asked again: then this returns True.
        """
        self.departures = max(self.departures, departures)
        self._marks.keep(members)
        doubtful = False
        for socket in self.sockets():
            if socket.user.id not in members:
                self.detach(socket)
                if socket in before:
                    socket.close(FORBIDDEN, "not a member any more")
                else:
                    self._suspended.add(socket)
                    doubtful = True
            elif socket in self._suspended:
                # In again meanwhile: the client resumes without having missed anything.
                socket.close(RESTART, "come back")
        return doubtful

    def close_sockets(self, code: int, reason: str, user_id: int | None = None) -> None:
        """Close every socket here, or those of one user."""
        for socket in self.sockets():
            if user_id is None or socket.user.id == user_id:
                socket.close(code, reason)

    # -- who is here --------------------------------------------------------------------------

    def typing(self, user: dict[str, Any], frame: str) -> None:
        """Show everyone but the user's own sockets that they type."""
        frames = Frames([frame.encode()])
        for socket in self.live:
            if socket.user.id != user["id"]:
                socket.outbox.push(frames)

    def learn(self, marks: Iterable[Mark]) -> None:
        """Tell everyone here how far members have read, where that is news."""
        for mark in marks:
            if frame := self._marks.learn(mark):
                self.send(frame)

    def online_elsewhere(self, users: dict[int, UserRow]) -> None:
        """Take the users that other workers see here."""
        if users.keys() != self._elsewhere.keys():
            self._elsewhere = users
            self._presence = None
            self._schedule_presence()

    def _schedule_presence(self) -> None:
        if self._presence_timer is not None or not self.live:
            return
        loop = self.hub.loop
        size = (len(self._here) + len(self._elsewhere)) * PRESENCE_BYTES_PER_USER * len(self.live)
        pause = min(MAX_PRESENCE_SECONDS, size / PRESENCE_BYTES_PER_SECOND)
        due = max(self._presence_sent_at + pause, loop.time() + PRESENCE_SECONDS)
        self._presence_timer = loop.call_at(due, self._send_presence)

    def _send_presence(self) -> None:
        """Send who is online: to all when that has changed, else to who does not know yet."""
        self._presence_timer = None
        wanted: set[Socket] = self._presence_wanted
        if self._presence is None:
            online = {user.id: user for user, _ in self._here.values()} | self._elsewhere
            users = sorted(online.values(), key=lambda user: user.username)
            self._presence = Frames([events.presence_frame(users).encode()])
            if online.keys() != self._presence_shown:
                self._presence_shown = set(online)
                wanted = self.live
        # Replaced, not cleared: `push` may close a socket.
        self._presence_wanted = set()
        self._presence_sent_at = self.hub.loop.time()
        for socket in wanted:
            socket.outbox.push(self._presence)
