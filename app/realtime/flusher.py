"""Send what waits, all of it at once, as soon as the last send has returned.

No tick: an idle flusher sends a lone item at once, a busy one sends ever larger batches. Items
are dropped, oldest first, when the database is away for long; whoever puts an item here can
bear its loss (a hint is found by the workers' slow tick).
"""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import psycopg

from realtime import hints
from realtime.backoff import backoff
from realtime.conninfo import connection_params

logger = logging.getLogger(__name__)

T = TypeVar("T")

# More than a second's worth of the fastest publishing measured (8,400 messages/s).
CAPACITY = 20_000
# One batch is bounded so that a backlog does not become one huge statement.
BATCH = 2_000
# Between two sends of a thread. Each costs it, the database and every listener as much as a post
# does; a lone hint is sent at once, and one that follows so soon is in the company of others.
GAP_SECONDS = 0.01
# The same between two sends of hints from an event loop, shorter since somebody watches: a busy
# worker sends two hundred notifications a second instead of one for each of its transactions. After
# a lone hint there is none: with one talker at a time there is no company to wait for.
HINT_GAP_SECONDS = 0.005
# An idle flusher thread gives its connection back to the database.
IDLE_SECONDS = 300.0
CLOSE_SECONDS = 2.0
# The database is away, or takes no writes for now: the same batch may go through later.
RETRIED = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    OSError,
    TimeoutError,
)

# In binary: as text, each quote of a frame, of which JSON is full, would be found and escaped.
HINT_SQL = "SELECT pg_notify(%s, p) FROM unnest(%b::text[]) p"


class Backlog(Generic[T]):
    """The waiting items: bounded, oldest dropped first, taken in batches."""

    def __init__(self) -> None:
        self.items: deque[T] = deque(maxlen=CAPACITY)

    def take(self) -> list[T]:
        """Remove and return up to one batch, oldest first."""
        items = self.items
        if len(items) <= BATCH:
            batch = list(items)
            items.clear()
            return batch
        return [items.popleft() for _ in range(BATCH)]


class HintThread:
    """Sends hints from a synchronous process, in a daemon thread with its own connection.

    The thread starts with the first hint, so after a pre-forking server has forked.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._backlog: Backlog[hints.Hint] = Backlog()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, hint: hints.Hint) -> None:
        """Hand over a hint; returns at once and never raises for the database's sake."""
        if self._pid != os.getpid():
            self._reset()
        self._backlog.items.append(hint)
        if self._thread is None or not self._thread.is_alive():
            with self._start:
                if self._thread is None or not self._thread.is_alive():
                    self._stopping.clear()
                    self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                    self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Send what waits, if that is quick, and close the connection; a later put reopens."""
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        self._stopping.set()
        self._wake.set()
        thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        connection: psycopg.Connection | None = None
        batch: list[hints.Hint] = []
        attempt = 0
        sent = 0.0
        epoch = ""
        while True:
            if not batch:
                batch = self._next(connection, sent + GAP_SECONDS)
                if not batch:
                    break
            try:
                if connection is None or connection.closed:
                    name = f"chatire-hints:{os.getpid()}"
                    connection = psycopg.connect(**connection_params(name), autocommit=True)
                    epoch, former = _epoch(connection), epoch
                    if former not in ("", epoch):
                        # Another history: what waits tells of numbers that are not given in it,
                        # and a worker would believe it. What is lost besides, its tick finds.
                        self._backlog.items.clear()
                        batch = []
                        continue
                connection.execute(HINT_SQL, (hints.CHANNEL, hints.pack(batch)))
                batch, attempt, sent = [], 0, time.monotonic()
            except RETRIED as error:
                attempt += 1
                if attempt == 1:
                    logger.warning("hints wait, the database is away: %s", type(error).__name__)
                if connection is not None:
                    connection.close()
                    connection = None
                if self._stopping.wait(backoff(attempt)):
                    break
            except Exception:
                logger.exception("%d hints dropped", len(batch))
                batch = []
        if connection is not None:
            connection.close()

    def _next(self, connection: psycopg.Connection | None, earliest: float) -> list[hints.Hint]:
        """Wait for items, and until `earliest`; an empty list means: end this thread."""
        while True:
            self._wake.clear()
            if self._backlog.items and (rest := earliest - time.monotonic()) > 0:
                self._stopping.wait(rest)
            if batch := self._backlog.take():
                return batch
            if self._stopping.is_set():
                return []
            if not self._wake.wait(IDLE_SECONDS) and connection is not None:
                connection.close()


def _epoch(connection: psycopg.Connection) -> str:
    """Which history this connection's database tells."""
    from chat.epoch import EPOCH_SQL

    row = connection.execute(EPOCH_SQL).fetchone()
    return str(row[0]) if row else ""


class AsyncFlusher(Generic[T]):
    """The same for an event loop: a task that calls `send` with everything that waits.

    The task lives only while something waits. A batch that fails because the database is away is
    tried again, with back-off; one that fails for a reason of its own is dropped. After a send of
    several items `gap` seconds pass at least, for others to gather.
    """

    def __init__(
        self, name: str, send: Callable[[list[T]], Awaitable[None]], gap: float = 0.0
    ) -> None:
        self._name = name
        self._send = send
        self._gap = gap
        self._earliest = 0.0
        self._backlog: Backlog[T] = Backlog()
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> None:
        """Hand over an item; returns at once."""
        self._backlog.items.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Give what waits `seconds` to go out, then stop."""
        task = self._task
        if task is None or task.done():
            return
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        attempt = 0
        loop = asyncio.get_running_loop()
        while self._backlog.items:
            if (rest := self._earliest - loop.time()) > 0:
                await asyncio.sleep(rest)
            batch = self._backlog.take()
            while batch:
                try:
                    await self._send(batch)
                    if len(batch) > 1:
                        self._earliest = loop.time() + self._gap
                    batch, attempt = [], 0
                except RETRIED as error:
                    attempt += 1
                    if attempt == 1:
                        logger.warning("%s wait: %s", self._name, type(error).__name__)
                    await asyncio.sleep(backoff(attempt))
                except Exception:
                    logger.exception("%d %s dropped", len(batch), self._name)
                    batch = []


hint_thread = HintThread()
atexit.register(hint_thread.close)
