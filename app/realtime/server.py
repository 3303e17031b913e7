"""The ws tier's process: `python -m realtime.server --bind unix:/path | host:port`.

uvicorn, with a drain in front of its shutdown. On SIGTERM the worker turns unready and answers
new handshakes with 503, lets its sockets go with 1012 in jittered batches, and is gone before
CHATIRE_DRAIN_SECONDS are over, whatever still hangs.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import threading
from types import FrameType
from typing import Any

import uvicorn

from realtime.closing import RESTART
from realtime.guard import Guard
from realtime.wire import WireProtocol

logger = logging.getLogger(__name__)

# docs/protocol.md: a frame over 64 KiB is refused.
MAX_FRAME_BYTES = 65_536
# A peer that is gone without a word is noticed within 40 s; nginx keeps tunnels for longer.
PING_SECONDS = 20.0
# Kept back of the drain's time for the last queries and the interpreter's end.
RESERVE_SECONDS = 1.0
# How long handshakes may wait to be taken: a whole worker's clients coming back at once.
BACKLOG = 2_048
EXIT_DEAF = 3


class Server(uvicorn.Server):
    """uvicorn's server, which drains before it shuts down."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float, stuck_seconds: int) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._stuck_seconds = stuck_seconds
        self._guard: Guard | None = None
        self._told = asyncio.Event()
        self.exit_code = 0

    async def startup(self, sockets: list[Any] | None = None) -> None:
        from realtime.hub import get_hub

        await super().startup(sockets)
        (await get_hub()).on_deaf = self._end_deaf
        if self._stuck_seconds:
            self._guard = Guard(self._stuck_seconds)

    async def main_loop(self) -> None:
        """Wait until told to stop. uvicorn's own loop would look ten times a second."""
        # Once, for the headers of every answer.
        await self.on_tick(0)
        while not self.should_exit:
            await self._told.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal, between any two instructions of the main thread."""
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._told.set)

    def _end_deaf(self) -> None:
        """Stop, so that whatever supervises this process starts a new one."""
        self.exit_code = EXIT_DEAF
        self.should_exit = True
        self._told.set()

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        from realtime.drain import drain
        from realtime.hub import get_hub

        logger.info("stopping: closing %d connections", len(self.server_state.connections))
        seconds = max(1.0, self._drain_seconds)
        # Never cancelled: after this uvicorn's loop waits for every task that is left, and one that
        # takes no cancellation would keep the process, which serves nobody any more, for ever.
        deadline = threading.Timer(seconds - RESERVE_SECONDS / 2, _exit_now, [self.exit_code])
        deadline.daemon = True
        deadline.start()
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds - RESERVE_SECONDS
        await drain(await get_hub(), seconds)
        # Those that had not signed in, and idle HTTP connections.
        for connection in list(self.server_state.connections):
            if isinstance(connection, WireProtocol) and connection.handshake_complete:
                connection.shut(RESTART, "the server restarts")
            else:
                connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(give_up):
                await self._all_gone()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)
        if self._guard is not None:
            self._guard.close()
        # uvicorn would raise the signal again, and the exit status would be that of a kill.
        self._captured_signals.clear()
        logger.info("stopped")

    async def _all_gone(self) -> None:
        # uvicorn tells nobody when a connection goes, so this looks.
        while self.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _exit_now(code: int) -> None:
    """End a process whose event loop does not get there."""
    logger.warning("stopping took too long, ending at once")
    logging.shutdown()
    os._exit(code)


def is_no_refusal(record: logging.LogRecord) -> bool:
    """Return whether a record is worth a line in the log.

    uvicorn logs a handshake that was refused with an answer of the application's own as the
    application's error, so that anyone could fill the log.
    """
    return record.msg != "ASGI callable returned without completing handshake."


def bind_arguments(bind: str) -> dict[str, Any]:
    """Return uvicorn's arguments for `unix:/path` or `host:port`; raises ValueError."""
    if bind.startswith("unix:"):
        return {"uds": bind.removeprefix("unix:")}
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{bind!r} is neither unix:/path nor host:port")
    return {"host": host.strip("[]"), "port": int(port)}


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m realtime.server")
    parser.add_argument("--bind", default=os.environ.get("CHATIRE_BIND", "127.0.0.1:8001"))
    bind = parser.parse_args().bind
    os.environ.setdefault("CHATIRE_TIER", "ws")
    try:
        address = bind_arguments(bind)
    except ValueError as error:
        parser.error(str(error))

    from django.conf import settings

    from chatire.asgi import application

    config = uvicorn.Config(
        application,
        **address,
        loop="uvloop",
        http="httptools",
        ws=WireProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        backlog=BACKLOG,
        access_log=False,
        # uvicorn logs each handshake's path with its query string at INFO.
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    # The hub says once that the database is away; the pool would say so at every try.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(is_no_refusal)
    env = settings.ENV
    # A developer's worker stands still at a breakpoint.
    stuck_seconds = 0 if env.environment == "development" else env.ws_stuck_seconds
    server = Server(config, env.drain_seconds, stuck_seconds)
    logger.info("listening on %s", bind)
    server.run()
    return server.exit_code


if __name__ == "__main__":
    sys.exit(main())
