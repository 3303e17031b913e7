"""One LISTEN connection, supervised.

LISTEN comes first, then whoever subscribed catches up from its tables, so nothing committed in
between is missed. Every few seconds the listener sends a notification to itself: only hearing
it proves that the connection still hears, and its age is the worker's readiness. A connection
that ends, or does not hear itself in time, is replaced, with back-off and jitter.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import psycopg

from realtime import hints
from realtime.backoff import backoff
from realtime.conninfo import connection_params
from realtime.ear import Ear
from realtime.pool import Connection, cut

logger = logging.getLogger(__name__)

LAYER_CHANNEL = "channels_postgres_messages"
# The period of the round trip and how long its answer may take: a deaf connection is noticed
# within 2.5 + 4 s, so that the worker is unready within 10.
BEAT_SECONDS = 2.5
ANSWER_SECONDS = 4.0
# A connection that lasted this long was a good one: its loss is made good at once.
STEADY_SECONDS = 5.0
# A server that was killed takes its address along: who tries to connect in that moment hears
# nothing, not even a refusal, and would wait for that while the server is back already. When so
# many hasty tries have failed, more patience is in place.
HASTY_SECONDS, HASTY_TRIES = 2, 2
DEAF_SECONDS = BEAT_SECONDS + ANSWER_SECONDS + 1.5

Heard = Callable[[str, int], None]
CatchUp = Callable[[], Awaitable[None]]


class ListenerHealth(NamedTuple):
    """`age`: seconds since the last round trip; `reason`: why the listener is deaf, or empty."""

    age: float
    reason: str


class Listener:
    """Hears NOTIFY for one event loop. `name` becomes the connection's application_name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._heard: dict[str, list[Heard]] = {LAYER_CHANNEL: [], hints.CHANNEL: []}
        self._catch_ups: list[CatchUp] = []
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._last_beat = self._loop.time()
        self._trouble = "not connected yet"
        self._hears = False
        # Why the subscribers could not catch up on this connection, if they could not.
        self._behind = ""
        # Whether this connection has heard itself.
        self._answered = False
        self.connections = 0

    def subscribe(self, channel: str, heard: Heard, catch_up: CatchUp) -> None:
        """Call `heard` with what comes over `channel`, and `catch_up` after every (re)connect.

        `channel` is one of the two that every listener listens on; `heard` gets the payload, and
        the process id of the backend that sent it.
        """
        self._heard[channel].append(heard)
        self._catch_ups.append(catch_up)

    def start(self) -> None:
        """Begin to connect; calling it again changes nothing."""
        if self._task is None:
            self._task = self._loop.create_task(self._supervise(), name="listener")

    def start_over(self) -> None:
        """Connect anew, so that every subscriber catches up."""
        if self._connection is not None:
            cut(self._connection)

    async def listening(self) -> None:
        """Wait until LISTEN is up."""
        await self._listening.wait()

    def health(self) -> ListenerHealth:
        """Say how long ago the last round trip was heard, and what is wrong if that is long."""
        age = self._loop.time() - self._last_beat
        if self._hears and age <= DEAF_SECONDS:
            return ListenerHealth(age, "")
        trouble = self._trouble or "its notifications do not come back"
        return ListenerHealth(age, f"listener deaf for {age:.0f} s: {trouble}")

    async def close(self) -> None:
        """End the connection and the task."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _supervise(self) -> None:
        attempt = 0
        while True:
            began = self._loop.time()
            try:
                await self._listen(hasty=attempt <= HASTY_TRIES)
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._trouble = self._behind or f"{type(error).__name__}: {error}".split("\n")[0]
            except Exception as error:
                # Whatever it is, a listener that is gone for good is worse.
                logger.exception("listener failed")
                self._trouble = f"{type(error).__name__}: {error}"
            finally:
                self._listening.clear()
            attempt = 1 if self._loop.time() - began > STEADY_SECONDS else attempt + 1
            if attempt == 1:
                logger.warning("listener lost its connection: %s", self._trouble)
            await asyncio.sleep(backoff(attempt))

    async def _listen(self, *, hasty: bool = False) -> None:
        """Connect, LISTEN, catch up and hear until the connection ends, which raises."""
        params = connection_params(self._name)
        if hasty:
            params["connect_timeout"] = HASTY_SECONDS
        connection = await Connection.connect(**params, autocommit=True)
        self._connection = connection
        beat_channel = f"chatire_beat_{connection.info.backend_pid}"
        catching_up: asyncio.Task[bool] | None = None
        deadline = self._loop.call_later(ANSWER_SECONDS, cut, connection)
        awaiting_beat = False
        self._behind, self._answered = "", False

        def heard(channel: str, payload: str, sender: int) -> None:
            nonlocal awaiting_beat
            if channel == beat_channel:
                deadline.cancel()
                awaiting_beat = False
                self._answered = True
                # A table that cannot be read makes hearing worth nothing.
                if catching_up is not None and catching_up.done() and catching_up.result():
                    self._beat_heard()
                return
            for subscriber in self._heard[channel]:
                subscriber(payload, sender)

        ear = Ear(connection, heard)
        try:
            for channel in (*self._heard, beat_channel):
                await connection.execute(f"LISTEN {channel}")
            self.connections += 1
            self._listening.set()
            catching_up = self._loop.create_task(self._catch_up(connection), name="catch-up")
            while True:
                if not awaiting_beat:
                    deadline.cancel()
                    deadline = self._loop.call_later(ANSWER_SECONDS, cut, connection)
                    awaiting_beat = True
                    await connection.execute("SELECT pg_notify(%s, '')", (beat_channel,))
                await ear.listen(BEAT_SECONDS)
        finally:
            deadline.cancel()
            if catching_up is not None:
                catching_up.cancel()
            await connection.close()

    def _beat_heard(self) -> None:
        if self._trouble and self._hears:
            logger.warning("listener hears again after %.1f s", self.health().age)
        self._last_beat = self._loop.time()
        self._hears, self._trouble = True, ""

    async def _catch_up(self, connection: Connection) -> bool:
        """Let every subscriber catch up; false, and start over, when one cannot."""
        try:
            for catch_up in self._catch_ups:
                await catch_up()
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._behind = f"catching up failed: {type(error).__name__}: {error}".split("\n")[0]
            cut(connection)
            return False
        if self._answered:
            self._beat_heard()
        return True
