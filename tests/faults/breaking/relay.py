"""A TCP relay that holds every piece back for a while, inside the network of who is slowed down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from breaking.engine import Trouble, beside, in_network_of
from breaking.packets import POSTGRES, diverted

PORT = 15432
STARTS_SECONDS = 20.0

# Each piece is delayed by its own, drawn anew, and none overtakes another.
PROGRAM = """
import asyncio, random, sys
port, host, to, least, most = int(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:6])

async def pump(reader, writer):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()

    async def write():
        while True:
            due, piece = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        writer.close()

    writing, due = asyncio.create_task(write()), 0.0
    try:
        while piece := await reader.read(65536):
            due = max(due, loop.time() + random.uniform(least, most))
            queue.put_nowait((due, piece))
    finally:
        queue.put_nowait((due, b""))
        await writing

async def serve(reader, writer):
    there, back = await asyncio.open_connection(host, int(to))
    await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def latency(
    containers: Sequence[tuple[str, int]], image: str, least: float, most: float
) -> Iterator[None]:
    """New connections of these (container, its user) to PostgreSQL take so long each way."""
    with ExitStack() as undo:
        for container, user in containers:
            words = (str(PORT), "postgres", str(POSTGRES), str(least), str(most))
            undo.enter_context(beside(container, image, *words, script=PROGRAM))
            _wait_for_listener(container, image)
            undo.enter_context(diverted(container, image, user, PORT))
        yield


def _wait_for_listener(container: str, image: str) -> None:
    deadline = time.monotonic() + STARTS_SECONDS
    while f":{PORT}" not in in_network_of(container, image, "ss", "-Hltn"):
        if time.monotonic() > deadline:
            raise Trouble(f"the relay does not listen after {STARTS_SECONDS:g} s")
        time.sleep(0.1)
