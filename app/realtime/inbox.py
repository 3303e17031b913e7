"""The inbox sockets of this worker: "one of your chats has changed".

A hint of a watched chat, a change of membership or of what one has read marks (chat, user) pairs;
a moment later one query fetches how the marked chats look to their users, and a frame goes out.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from chat import events, overview
from realtime import pool
from realtime.outbox import Frames
from realtime.sockets import Socket

if TYPE_CHECKING:
    from realtime.hub import Hub

# A busy chat changes an inbox at most five times a second.
GATHER_SECONDS = 0.2
PAIRS = 500
USERS = 500
# Chats looked at in one slow tick, in turn.
TICK_CHATS = 2_000
RETRY_SECONDS = 1.0

CHATS_SQL = """
SELECT s.user_id, c.id, c.uri, c.last_seq
FROM chat_membership s JOIN chat_chat c ON c.id = s.chat_id WHERE s.user_id = ANY(%(users)s)
"""
LAST_SEQS_SQL = "SELECT id, last_seq FROM chat_chat WHERE id = ANY(%(chats)s)"

Pair = tuple[int, int]
Recorder = set[int]


class Watcher:
    """One user's inbox sockets here, and the chats they are told of."""

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        # Chat id -> uri, which a chat that is gone cannot be asked for.
        self.chats: dict[int, str] = {}
        self.loading: asyncio.Task[None] | None = None


class Inbox:
    """All inbox sockets of a worker."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._users: dict[int, Watcher] = {}
        self._watchers: dict[int, set[int]] = {}
        self._last_seqs: dict[int, int] = {}
        self._turn: list[int] = []
        self._marked: set[Pair] = set()
        self._sending: asyncio.Task[None] | None = None
        self._recorders: list[Recorder] = []

    # -- sockets ------------------------------------------------------------------------------

    def record(self) -> Recorder:
        """Note from now on which chats change, for a socket that is not attached yet.

        A client fetches its list as soon as its socket is open; what changes between the two
        must not be lost.
        """
        recorder: Recorder = set()
        self._recorders.append(recorder)
        return recorder

    def stop_recording(self, recorder: Recorder) -> None:
        """Drop a recorder, attached or not."""
        self._recorders = [other for other in self._recorders if other is not recorder]

    async def attach(self, socket: Socket, recorder: Recorder) -> None:
        """Make the socket live, and send what has changed since the recorder was made."""
        user_id = socket.user.id
        watcher = self._users.get(user_id)
        if watcher is None:
            watcher = self._users[user_id] = Watcher()
        watcher.sockets.add(socket)
        if watcher.loading is None:
            watcher.loading = self._hub.loop.create_task(
                self._load([user_id], first=True), name="inbox"
            )
        try:
            await asyncio.shield(watcher.loading)
        except (psycopg.Error, OSError, TimeoutError):
            watcher.loading = None
            raise
        self._mark((chat_id, user_id) for chat_id in recorder & watcher.chats.keys())

    def detach(self, socket: Socket) -> None:
        """Forget a socket."""
        user_id = socket.user.id
        watcher = self._users.get(user_id)
        if watcher is None:
            return
        watcher.sockets.discard(socket)
        if not watcher.sockets:
            del self._users[user_id]
            for chat_id in list(watcher.chats):
                self._unwatch(watcher, chat_id, user_id)

    def _watch(self, watcher: Watcher, chat_id: int, uri: str, user_id: int, last_seq: int) -> None:
        watcher.chats[chat_id] = uri
        self._watchers.setdefault(chat_id, set()).add(user_id)
        self._last_seqs.setdefault(chat_id, last_seq)

    def _unwatch(self, watcher: Watcher, chat_id: int, user_id: int) -> None:
        watcher.chats.pop(chat_id, None)
        users = self._watchers.get(chat_id)
        if users is not None:
            users.discard(user_id)
            if not users:
                del self._watchers[chat_id]
                self._last_seqs.pop(chat_id, None)

    # -- what happens -------------------------------------------------------------------------

    def hear(self, chat_id: int, seq: int) -> None:
        """Take a hint.

        One that is no news to the table's `last_seq` may still be news to a client that has
        fetched its list just before.
        """
        for recorder in self._recorders:
            recorder.add(chat_id)
        users = self._watchers.get(chat_id)
        if users and seq >= self._last_seqs[chat_id]:
            self._last_seqs[chat_id] = seq
            self._mark((chat_id, user_id) for user_id in users)

    def _standings(self, chats: Iterable[int]) -> dict[int, int]:
        """What is known of these chats now, before the table is asked."""
        return {chat_id: self._last_seqs[chat_id] for chat_id in chats if chat_id in self._watchers}

    def _found(self, chat_id: int, last_seq: int, before: dict[int, int]) -> None:
        """Take what the table says: of interest where no hint has said it, or where a restore took
        numbers back, `before` being what was known when it was asked."""
        known = self._last_seqs.get(chat_id, last_seq)
        if last_seq < before.get(chat_id, last_seq):
            self._last_seqs[chat_id] = known = last_seq - 1
        if last_seq > known:
            self.hear(chat_id, last_seq)

    def changed(self, chat_id: int, user_id: int) -> None:
        """Take note that a chat looks different to one user: joined, left, read."""
        for recorder in self._recorders:
            recorder.add(chat_id)
        if user_id in self._users:
            self._mark([(chat_id, user_id)])

    async def resync(self) -> None:
        """After a deaf moment: find what has changed in every inbox. Raises psycopg.Error."""
        users = list(self._users)
        for start in range(0, len(users), USERS):
            await self._load(users[start : start + USERS], first=False)

    async def tick(self) -> None:
        """Look whether a hint was lost, at some of the watched chats in turn."""
        if not self._turn:
            self._turn = list(self._watchers)
        chats, self._turn = self._turn[:TICK_CHATS], self._turn[TICK_CHATS:]
        if chats:
            before = self._standings(chats)
            for chat_id, last_seq in await pool.fetch(LAST_SEQS_SQL, {"chats": chats}):
                self._found(chat_id, last_seq, before)

    async def _load(self, users: list[int], *, first: bool) -> None:
        """Compare the table with what is watched; mark the differences unless it is the `first`."""
        known = {
            user_id: set(watcher.chats)
            for user_id in users
            if (watcher := self._users.get(user_id)) is not None
        }
        before = self._standings(chat_id for chats in known.values() for chat_id in chats)
        rows = await pool.fetch(CHATS_SQL, {"users": users})
        for user_id, chat_id, uri, last_seq in rows:
            watcher = self._users.get(user_id)
            if watcher is None:
                continue
            if chat_id in watcher.chats:
                known[user_id].discard(chat_id)
                self._found(chat_id, last_seq, before)
            else:
                self._watch(watcher, chat_id, uri, user_id, last_seq)
                if not first:
                    self._mark([(chat_id, user_id)])
        self._mark((chat_id, user_id) for user_id, chats in known.items() for chat_id in chats)

    def _mark(self, pairs: Iterable[Pair]) -> None:
        self._marked.update(pairs)
        if self._marked and (self._sending is None or self._sending.done()):
            self._sending = self._hub.loop.create_task(self._send_marked(), name="inbox")

    async def _send_marked(self) -> None:
        while self._marked:
            await asyncio.sleep(GATHER_SECONDS)
            pairs = [self._marked.pop() for _ in range(min(PAIRS, len(self._marked)))]
            try:
                async with pool.connection() as db:
                    entries = await overview.aentries(db, pairs)
            except (psycopg.Error, OSError, TimeoutError):
                self._marked.update(pairs)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            gone = set(pairs)
            for entry in entries:
                gone.discard((entry.chat_id, entry.user_id))
                if watcher := self._users.get(entry.user_id):
                    self._watch(watcher, entry.chat_id, entry.uri, entry.user_id, entry.last_seq)
                    frame = events.chat_frame(
                        entry.uri, entry.last_message, entry.last_seq, entry.unread
                    )
                    self._push(watcher, frame)
            for chat_id, user_id in gone:
                watcher = self._users.get(user_id)
                if watcher is not None and chat_id in watcher.chats:
                    self._push(watcher, events.left_frame(watcher.chats[chat_id]))
                    self._unwatch(watcher, chat_id, user_id)

    def _push(self, watcher: Watcher, frame: str) -> None:
        frames = Frames([frame.encode()])
        for socket in watcher.sockets:
            socket.outbox.push(frames)

    def close_sockets(self, code: int, reason: str) -> None:
        """Close every inbox socket: what their clients hold is no longer so."""
        for watcher in self._users.values():
            for socket in watcher.sockets:
                socket.close(code, reason)

    async def close(self) -> None:
        """Stop what runs."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
