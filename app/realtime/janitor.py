"""Deletes what has expired: one janitor at a time, in bounded batches."""

import asyncio
import logging

import psycopg

from realtime import pool
from realtime.backoff import jitter

logger = logging.getLogger(__name__)

# With a minute's expiry, at most a fifth more rows than are worth something.
PERIOD_SECONDS = 12.0
BATCH = 1_000
# Any number, the same in every process: whoever holds it during its transaction sweeps.
TURN_LOCK = 0x6368_6174_6A61_6E69

SWEEP = """
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(%(lock)s) AS mine),
expired AS (
    SELECT {key} AS key FROM {table} WHERE expire < now() AND (SELECT mine FROM turn)
    ORDER BY expire LIMIT %(batch)s FOR UPDATE SKIP LOCKED
)
DELETE FROM {table} USING expired WHERE {table}.{key} = expired.key
"""

SWEEPS = [
    SWEEP.format(table="channels_postgres_message", key="id"),
    SWEEP.format(table="channels_postgres_groupchannel", key="id"),
]


class Janitor:
    """Runs in every process that listens; the database lets one of them sweep at a time."""

    async def run(self) -> None:
        """Sweep for ever; a database that is away is met again at the next turn."""
        while True:
            await asyncio.sleep(jitter(PERIOD_SECONDS))
            try:
                await self.sweep()
            except (psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("janitor put off: %s", type(error).__name__)

    async def sweep(self) -> int:
        """Delete all that has expired and return how many rows that was."""
        total = 0
        for statement in SWEEPS:
            while True:
                deleted = await pool.execute(statement, {"lock": TURN_LOCK, "batch": BATCH})
                total += deleted
                if deleted < BATCH:
                    break
        return total
