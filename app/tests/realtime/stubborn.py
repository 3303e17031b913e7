"""The ws tier's process, with a task that takes no cancellation: `python -m` like the real one.

As the tasks of a psycopg pool are while they connect.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from realtime import server


class Stubborn(server.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self._stays = asyncio.get_running_loop().create_task(stay())


async def stay() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


if __name__ == "__main__":
    server.Server = Stubborn  # type: ignore[misc]
    sys.exit(server.main())
