"""A server in the test's own event loop, so that a test reaches into its worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from realtime.hub import close_hub, get_hub
from realtime.routing import application
from realtime.wire import WireProtocol
from tests.people import Person
from tests.realtime.waiting import auntil
from tests.realtime.workers import free_port


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port on which the server serves, and hears, as long as the block lasts."""
    hub = await get_hub()
    await auntil(lambda: not hub.listener.health().reason, "the listener hears")
    port = free_port()
    config = uvicorn.Config(
        application, port=port, ws=WireProtocol, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve())
    await auntil(lambda: server.started, "the server serves")
    try:
        yield port
    finally:
        server.should_exit = True
        await serving
        await close_hub()


def socket(port: int, person: Person, uri: str) -> connect:
    """A socket of a chat; use as a context."""
    return connect(
        f"ws://127.0.0.1:{port}/ws/chats/{uri}/",
        subprotocols=["chatire", f"jwt.{person.access}"],  # type: ignore[list-item]
        proxy=None,
        compression=None,
    )


async def hear(client: ClientConnection, kind: str) -> Any:
    """The next frame of this type."""
    async with asyncio.timeout(10):
        while (frame := json.loads(await client.recv()))["type"] != kind:
            pass
    return frame
