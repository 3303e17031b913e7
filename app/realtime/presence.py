"""Who is online in which chat, across workers.

Each worker writes one row for each user it serves in a chat, and holds a lease on all its rows;
when a worker dies, its lease runs out and the janitor tells the rooms that others serve.
"""

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psycopg

from accounts.users import USER_COLUMNS, UserRow
from realtime import pool
from realtime.flusher import AsyncFlusher

logger = logging.getLogger(__name__)

# A killed worker's users vanish when this and the janitor's period are over: within a minute.
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
BATCH = 1_000

# Whether the lease was still there: if not, the janitor has taken this worker's rows.
RENEW_SQL = """
INSERT INTO realtime_worker (name, expire)
VALUES (%(worker)s, now() + make_interval(secs => %(lease)s))
ON CONFLICT (name) DO UPDATE SET expire = EXCLUDED.expire RETURNING xmax <> 0
"""
CAME_SQL = """
INSERT INTO realtime_presence (chat_id, user_id, worker)
SELECT unnest(%(chats)s::bigint[]), unnest(%(users)s::bigint[]), %(worker)s
ON CONFLICT DO NOTHING
"""
WENT_SQL = """
DELETE FROM realtime_presence p
USING unnest(%(chats)s::bigint[], %(users)s::bigint[]) AS gone (chat_id, user_id)
WHERE p.chat_id = gone.chat_id AND p.user_id = gone.user_id AND p.worker = %(worker)s
"""
ELSEWHERE_SQL = f"""
SELECT DISTINCT p.chat_id, {USER_COLUMNS}
FROM realtime_presence p
JOIN realtime_worker w ON w.name = p.worker AND w.expire > now()
JOIN auth_user u ON u.id = p.user_id
WHERE p.chat_id = ANY(%(chats)s) AND p.worker <> %(worker)s
"""
SWEEP_SQL = """
WITH dead AS (DELETE FROM realtime_worker WHERE expire < now() RETURNING name),
gone AS (
    DELETE FROM realtime_presence p WHERE p.worker IN (SELECT name FROM dead) RETURNING chat_id
)
SELECT DISTINCT chat_id FROM gone
"""
FAREWELL_SQL = """
WITH gone AS (DELETE FROM realtime_presence WHERE worker = %(worker)s)
DELETE FROM realtime_worker WHERE name = %(worker)s
"""


class Change(NamedTuple):
    """A user came to a chat on this worker, or went."""

    chat_id: int
    user_id: int
    came: bool


class Presence:
    """This worker's half. `changed` is called with chats whose other workers should look."""

    def __init__(self, worker: str, changed: Callable[[Iterable[int]], None]) -> None:
        self._worker = worker
        self._changed = changed
        self._changes: AsyncFlusher[Change] = AsyncFlusher("presence", self._write)
        self._leased = False

    def came(self, chat_id: int, user_id: int) -> None:
        """Note that a user's first socket in a chat is live here."""
        self._changes.put(Change(chat_id, user_id, came=True))

    def went(self, chat_id: int, user_id: int) -> None:
        """Note that a user's last socket in a chat is gone from here."""
        self._changes.put(Change(chat_id, user_id, came=False))

    async def renew(self) -> bool:
        """Renew the lease; false when it had run out, and every row has to be written again."""
        rows = await pool.fetch(RENEW_SQL, {"worker": self._worker, "lease": LEASE_SECONDS})
        held = bool(rows[0][0])
        self._leased = True
        return held

    async def assert_all(self, pairs: list[tuple[int, int]]) -> None:
        """Write the rows of all (chat id, user id) that this worker serves."""
        await pool.execute(
            "DELETE FROM realtime_presence WHERE worker = %(worker)s", {"worker": self._worker}
        )
        for start in range(0, len(pairs), BATCH):
            batch = [Change(chat, user, came=True) for chat, user in pairs[start : start + BATCH]]
            await self._write(batch)

    async def elsewhere(self, chats: list[int]) -> dict[int, dict[int, UserRow]]:
        """Return, for each chat, the users that other workers serve in it."""
        found: dict[int, dict[int, UserRow]] = {chat_id: {} for chat_id in chats}
        for chat_id, *columns in await pool.fetch(
            ELSEWHERE_SQL, {"chats": chats, "worker": self._worker}
        ):
            user = UserRow(*columns)
            found[chat_id][user.id] = user
        return found

    async def sweep(self) -> list[int]:
        """Delete what dead workers left; returns the chats they served, and tells the others."""
        gone = [row[0] for row in await pool.fetch(SWEEP_SQL)]
        self._changed(gone)
        return gone

    async def close(self) -> None:
        """Take this worker's rows along."""
        await self._changes.close(1.0)
        if self._leased:
            try:
                await pool.execute(FAREWELL_SQL, {"worker": self._worker})
            except (psycopg.Error, OSError, TimeoutError):
                logger.warning("presence is left to the lease")

    async def _write(self, changes: list[Change]) -> None:
        # The last change of a pair is the one that holds.
        last = {(change.chat_id, change.user_id): change.came for change in changes}
        for statement, came in ((WENT_SQL, False), (CAME_SQL, True)):
            pairs = [pair for pair, value in last.items() if value is came]
            if pairs:
                chats, users = zip(*pairs, strict=True)
                await pool.execute(
                    statement,
                    {"chats": list(chats), "users": list(users), "worker": self._worker},
                )
        self._changed({chat_id for chat_id, _ in last})
