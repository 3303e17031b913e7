"""Durable publishing with chatire's own code, without sockets: what the hints cost.

Run inside the application's image. Two processes, each with half of the posters, store messages as
ws workers do (realtime.writer) and, with HINTS=1, hand each one's hint to a flusher of their
process as the hub does. A listener in a third process counts the hints. Prints one line of JSON.

CONNECTIONS, SECONDS, HINTS, USER_ID and ROOMS (their names) come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import time
from typing import Any

sys.path.insert(0, "/srv/app")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatire.settings.production")

PROCESSES = 2
CHANNEL = "bench_hints"
USER = int(os.environ.get("USER_ID", "0"))


def setup() -> None:
    import django

    django.setup()


async def connect() -> Any:
    import psycopg

    from realtime.conninfo import connection_params

    return await psycopg.AsyncConnection.connect(**connection_params("bench"), autocommit=True)


async def publish(
    number: int, connections: int, rooms: list[str], hinted: bool, begin: float, until: float
) -> list[float]:
    """Store messages for some posters, from one moment to another; seconds of each."""
    from accounts.users import UserRow
    from chat import drafts, events  # type: ignore[attr-defined]
    from realtime import hints, pool
    from realtime.flusher import HINT_GAP_SECONDS, HINT_SQL, AsyncFlusher
    from realtime.writer import Writer

    own = await connect()

    async def send(batch: list[hints.Hint]) -> None:
        await own.execute(HINT_SQL, (CHANNEL, hints.pack(batch)))

    flusher: AsyncFlusher[hints.Hint] = AsyncFlusher("hints", send, HINT_GAP_SECONDS)
    writer = Writer()
    user = UserRow(USER, "bench-0", "", "")
    took: list[float] = []

    async def one(lane: int) -> None:
        turn = lane + number * connections
        await asyncio.sleep(begin - time.time())
        while (now := time.time()) < until:
            text = f"{now:.6f}".ljust(200, "x")
            posted = await writer.post(
                rooms[turn % len(rooms)], user, drafts.check_draft(text, None)
            )
            took.append(time.time() - now)
            if hinted:
                row = posted.row
                flusher.put(hints.Hint(row.chat_id, row.seq, 0, events.message_frame(row)))
            turn += 7

    await asyncio.gather(*(one(lane) for lane in range(connections)))
    await flusher.close(5)
    await writer.close()
    await pool.close_pool()
    return took


async def listen(until: float) -> list[float]:
    """Count hints until a moment; returns seconds from the beginning of each post."""
    from realtime import hints

    connection = await connect()
    await connection.execute(f"LISTEN {CHANNEL}")
    took = []
    async for notification in connection.notifies(timeout=until - time.time()):
        now = time.time()
        took += [
            now - float(hint.frame.partition('"message":"')[2][:17])
            for hint in hints.unpack(notification.payload)
        ]
    return took


def work(kind: str, queue: Any, *arguments: Any) -> None:
    import uvloop

    setup()
    task = publish(*arguments) if kind == "publish" else listen(*arguments)
    queue.put((kind, uvloop.run(task)))


def main() -> None:
    connections = int(os.environ["CONNECTIONS"])
    hinted = os.environ["HINTS"] == "1"
    rooms = os.environ["ROOMS"].split()
    begin = time.time() + 3.0  # every process is up by then
    until = begin + float(os.environ["SECONDS"])
    share = max(1, connections // PROCESSES)
    queue: Any = multiprocessing.Queue()
    jobs: list[tuple[Any, ...]] = [
        ("publish", queue, number, share, rooms, hinted, begin, until)
        for number in range(min(PROCESSES, connections))
    ]
    jobs.append(("listen", queue, until + 2))
    running = [multiprocessing.Process(target=work, args=job) for job in jobs]
    for process in running:
        process.start()
    stored: list[float] = []
    heard: list[float] = []
    for _ in running:
        kind, took = queue.get(timeout=60)
        (stored if kind == "publish" else heard).extend(took)
    for process in running:
        process.join()
    print(
        json.dumps(
            {
                "stored": len(stored),
                "heard": len(heard),
                "took": sorted(stored),
                "hint_took": sorted(heard),
            }
        )
    )


if __name__ == "__main__":
    main()
