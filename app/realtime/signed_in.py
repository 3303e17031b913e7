"""The signed-in sockets of a worker, by session and by when their token runs out."""

import asyncio
import time
import uuid
from typing import Any

from accounts import sessions
from realtime import pool
from realtime.closing import UNAUTHENTICATED
from realtime.sockets import Socket

# Pairs checked in one query, a few milliseconds of the database's time.
ACCESS_BATCH = 2_000


class SignedIn:
    """Who came in by which session, so that both can end."""

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        self._sessions: dict[uuid.UUID, set[Socket]] = {}
        self._expiring: dict[int, set[Socket]] = {}

    def admit(self, socket: Socket) -> None:
        """Take a socket that has just signed in."""
        self.sockets.add(socket)
        self._sessions.setdefault(socket.sid, set()).add(socket)
        self._expiring.setdefault(socket.expires, set()).add(socket)

    def dismiss(self, socket: Socket) -> None:
        """Forget a socket."""
        self.sockets.discard(socket)
        _take_from(self._sessions, socket.sid, socket)
        _take_from(self._expiring, socket.expires, socket)

    def renew(self, socket: Socket, sid: uuid.UUID, expires: int) -> None:
        """Give a socket the session and expiry of a newer token."""
        self.dismiss(socket)
        socket.sid, socket.expires = sid, expires
        self.admit(socket)

    def end(self, sid: uuid.UUID) -> None:
        """Close the sockets of a session."""
        for socket in list(self._sessions.get(sid, ())):
            socket.close(UNAUTHENTICATED, "signed out")

    async def expire(self) -> None:
        """Close sockets whose token has run out, for ever. One task for all of them."""
        while True:
            await asyncio.sleep(1.0)
            now = time.time()
            for expires in [second for second in self._expiring if second <= now]:
                for socket in self._expiring.pop(expires):
                    socket.close(UNAUTHENTICATED, "the token ran out")

    async def check(self) -> None:
        """Close sockets whose session is over or whose user is not active. Raises AWAY."""
        pairs = [(sid, next(iter(held)).user.id) for sid, held in self._sessions.items()]
        for start in range(0, len(pairs), ACCESS_BATCH):
            async with pool.connection() as db:
                over = await sessions.aover(db, pairs[start : start + ACCESS_BATCH])
            for sid in over:
                self.end(sid)


def _take_from(index: dict[Any, set[Socket]], key: Any, socket: Socket) -> None:
    held = index.get(key)
    if held is not None:
        held.discard(socket)
        if not held:
            del index[key]
