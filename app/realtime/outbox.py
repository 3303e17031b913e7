"""What waits for one socket to read it: bounded, and never awaited by whoever sends.

On the project's own server an outbox is the transport's write buffer, so an idle socket costs
nothing here. On any other ASGI server it is a queue and, while something waits, a task.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from django.conf import settings

from realtime.wire import CLOSE_SECONDS, EXTENSION, WireProtocol, framed

SLOW_READER = 4429
# A replay to a reader that takes nothing at all for this long is given up.
STALL_SECONDS = 20.0

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Frames:
    """Text frames for one socket or a thousand, encoded and framed once."""

    __slots__ = ("payloads", "wire")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self.wire = b"".join([framed(payload) for payload in payloads])


class Outbox(Protocol):
    """Where frames for one socket go."""

    @property
    def gone(self) -> bool:
        """Whether the socket is closed or closing."""

    def push(self, frames: Frames) -> None:
        """Send frames without waiting; a reader too far behind is closed with 4429."""

    def close(self, code: int, reason: str = "") -> None:
        """Close without waiting; a peer that does not answer is cut soon after."""

    async def drained(self) -> None:
        """Wait until most has been read; a reader that stalls is closed with 4429."""

    async def flushed(self) -> None:
        """Wait until a close frame is on its way; the application may end then."""


class WireOutbox:
    """Straight to the transport."""

    __slots__ = ("_connection", "_limit")

    def __init__(self, connection: WireProtocol) -> None:
        self._connection = connection
        # Django's settings are looked up by a function of Python's, which would be a twentieth of
        # what a delivery costs here.
        self._limit = settings.ENV.ws_outbox_bytes

    @property
    def gone(self) -> bool:
        return self._connection.gone

    def push(self, frames: Frames) -> None:
        connection = self._connection
        if connection.buffered > self._limit:
            self.close(SLOW_READER, "too slow a reader")
        else:
            connection.push(frames.wire)

    def close(self, code: int, reason: str = "") -> None:
        self._connection.shut(code, reason)

    async def drained(self) -> None:
        try:
            await asyncio.wait_for(self._connection.drained(), STALL_SECONDS)
        except TimeoutError:
            self.close(SLOW_READER, "too slow a reader")

    async def flushed(self) -> None:
        """Nothing to wait for: the frame is in the transport, and uvicorn lingers for it."""


class QueueOutbox:
    """Through ASGI's `send`."""

    __slots__ = ("_bytes", "_emptied", "_owner", "_queue", "_send", "_task", "gone")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: deque[dict[str, Any]] = deque()
        self._bytes = 0
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._task: asyncio.Task[None] | None = None
        self._owner = asyncio.current_task()
        self.gone = False

    def push(self, frames: Frames) -> None:
        if self.gone:
            return
        if self._bytes > settings.ENV.ws_outbox_bytes:
            self.close(SLOW_READER, "too slow a reader")
            return
        for payload in frames.payloads:
            self._bytes += len(payload)
            self._queue.append({"type": "websocket.send", "text": payload.decode()})
        self._start()

    def close(self, code: int, reason: str = "") -> None:
        if self.gone:
            return
        self.gone = True
        self._queue.append({"type": "websocket.close", "code": code, "reason": reason})
        self._start()
        # Ending the application is all that ASGI offers against a peer that does not read.
        if self._owner is not None:
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._owner.cancel)

    async def drained(self) -> None:
        try:
            await asyncio.wait_for(self._emptied.wait(), STALL_SECONDS)
        except TimeoutError:
            self.close(SLOW_READER, "too slow a reader")

    async def flushed(self) -> None:
        await self._emptied.wait()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._emptied.clear()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="outbox")

    async def _run(self) -> None:
        try:
            while self._queue:
                message = self._queue.popleft()
                await self._send(message)
                self._bytes -= len(message.get("text", ""))
        except Exception:
            # The peer is gone, in the words of whichever server this is.
            self._queue.clear()
            self.gone = True
        finally:
            self._emptied.set()


def make_outbox(scope: dict[str, Any], send: Send) -> Outbox:
    """Return the best outbox that the server allows."""
    extension = scope.get("extensions", {}).get(EXTENSION)
    return WireOutbox(extension["connection"]) if extension else QueueOutbox(send)
