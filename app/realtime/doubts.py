"""Chats of whose members, or of whose presence, this worker may know too little: it asks."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import psycopg

from chat import events
from chat import members as table
from chat.standing import astanding
from realtime import pool
from realtime.backoff import jitter

if TYPE_CHECKING:
    from realtime.hub import Hub


class Doubts:
    """A task asks for all of them, and lives while there are any."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._presence: set[int] = set()
        self._members: set[int] = set()
        self._asking: asyncio.Task[None] | None = None

    def presence(self, chats: Iterable[int]) -> None:
        """Ask who is in these chats on other workers, if they are served here."""
        self._note(self._presence, chats)

    def members(self, chats: Iterable[int]) -> None:
        """Ask who is a member of these chats, if they are served here."""
        self._note(self._members, chats)

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    def _note(self, doubtful: set[int], chats: Iterable[int]) -> None:
        doubtful.update(chat_id for chat_id in chats if chat_id in self._hub.rooms)
        if doubtful and (self._asking is None or self._asking.done()):
            self._asking = self._hub.loop.create_task(self._ask(), name="refresh")

    async def _ask(self) -> None:
        while self._members or self._presence:
            chats: list[int] = []
            try:
                while self._members:
                    await self.settle(next(iter(self._members)))
                chats = list(self._presence)
                self._presence.clear()
                for chat_id, users in (await self._hub.presence.elsewhere(chats)).items():
                    if room := self._hub.rooms.get(chat_id):
                        room.online_elsewhere(users)
            except (psycopg.Error, OSError, TimeoutError):
                self._presence.update(chats)
                await asyncio.sleep(jitter(1.0))

    async def settle(self, chat_id: int) -> None:
        """Ask who is a member of a chat, and close the sockets of who is none.

        Raises psycopg.Error, OSError or TimeoutError when the database is away.
        """
        async with pool.connection() as db:
            # Before the query, so that a change during it is looked at again.
            self._members.discard(chat_id)
            room = self._hub.rooms.get(chat_id)
            before = room.sockets() if room else set()
            try:
                inside = await table.amembers(db, chat_id)
                standing = await astanding(db, chat_id)
            except BaseException:
                self._members.add(chat_id)
                raise
        if room := self._hub.rooms.get(chat_id):
            if room.settle({user.id for user in inside.members}, inside.departures, before):
                self.members([chat_id])
            room.send(events.members_frame(inside.members).encode())
            # Marks may have been missed for the same reason.
            room.learn(standing.marks)
