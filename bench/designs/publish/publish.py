"""Durable publishing with chatire's own code, without sockets: what the hints cost.

Run inside the application's image. Two processes, each with half of the posters, store messages as
ws workers do (realtime.writer) and, with HINTS=1, hand each one's hint to a flusher of their
process as the hub does. A listener in a third process counts the hints. Prints one line of JSON:
what was stored, which of its hints never came or came again, and what the processes took.

CONNECTIONS, SECONDS, HINTS, USER_ID and ROOMS (their names) come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

sys.path.insert(0, "/srv/app")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatire.settings.production")

PROCESSES = 2
CHANNEL = "bench_hints"
USER = int(os.environ.get("USER_ID", "0"))
# A message: its chat, its number there, and the seconds that it took to be stored or heard.
Told = tuple[int, int, float]


def setup() -> None:
    import django

    django.setup()


async def connect() -> Any:
    import psycopg

    from realtime.conninfo import connection_params

    return await psycopg.AsyncConnection.connect(**connection_params("bench"), autocommit=True)


async def publish(
    number: int, connections: int, rooms: list[str], hinted: bool, begin: float, until: float
) -> list[Told]:
    """Store messages for some posters, from one moment to another."""
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
    stored: list[Told] = []

    async def one(lane: int) -> None:
        turn = lane + number * connections
        await asyncio.sleep(begin - time.time())
        while (now := time.time()) < until:
            text = f"{now:.6f}".ljust(200, "x")
            posted = await writer.post(
                rooms[turn % len(rooms)], user, drafts.check_draft(text, None)
            )
            row = posted.row
            stored.append((row.chat_id, row.seq, time.time() - now))
            if hinted:
                flusher.put(hints.Hint(row.chat_id, row.seq, 0, events.message_frame(row)))
            turn += 7

    await asyncio.gather(*(one(lane) for lane in range(connections)))
    await flusher.close(5)
    await writer.close()
    await pool.close_pool()
    return stored


async def listen(until: float) -> list[Told]:
    """Hear hints until a moment; their seconds are from the beginning of each post."""
    from realtime import hints

    connection = await connect()
    await connection.execute(f"LISTEN {CHANNEL}")
    heard: list[Told] = []
    async for notification in connection.notifies(timeout=until - time.time()):
        now = time.time()
        heard += [
            (hint.chat_id, hint.seq, now - float(hint.frame.partition('"message":"')[2][:17]))
            for hint in hints.unpack(notification.payload)
        ]
    return heard


async def metered(
    task: Coroutine[Any, Any, list[Told]], begin: float
) -> tuple[list[Told], float, int]:
    """What a task returns, this process's processor time from a moment on, and its peak memory."""
    running = asyncio.create_task(task)
    await asyncio.sleep(begin - time.time())
    before = time.process_time()
    told = await running
    spent = time.process_time() - before
    return told, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(kind: str, queue: Any, begin: float, *arguments: Any) -> None:
    import uvloop

    setup()
    task = publish(*arguments) if kind == "publishers" else listen(*arguments)
    queue.put((kind, *uvloop.run(metered(task, begin))))


def account(stored: Sequence[Told], heard: Sequence[Told]) -> dict[str, Any]:
    """Hold what was heard against what was stored, message by message."""
    distinct = {(chat, seq) for chat, seq, _ in heard}
    return {
        "stored": len(stored),
        "lost": len({(chat, seq) for chat, seq, _ in stored} - distinct),
        "doubled": len(heard) - len(distinct),
        "took": sorted(took for _, _, took in stored),
        "hint_took": sorted(took for _, _, took in heard),
    }


def main() -> None:
    connections = int(os.environ["CONNECTIONS"])
    hinted = os.environ["HINTS"] == "1"
    rooms = os.environ["ROOMS"].split()
    begin = time.time() + 3.0  # every process is up by then
    until = begin + float(os.environ["SECONDS"])
    share = max(1, connections // PROCESSES)
    queue: Any = multiprocessing.Queue()
    jobs: list[tuple[Any, ...]] = [
        ("publishers", queue, begin, number, share, rooms, hinted, begin, until)
        for number in range(min(PROCESSES, connections))
    ]
    jobs.append(("listener", queue, begin, until + 2))
    running = [multiprocessing.Process(target=work, args=job) for job in jobs]
    for process in running:
        process.start()
    told: dict[str, list[Told]] = {"publishers": [], "listener": []}
    cpu = dict.fromkeys(told, 0.0)
    rss = dict.fromkeys(told, 0)
    for _ in running:
        kind, some, spent, peak = queue.get(timeout=60)
        told[kind] += some
        cpu[kind] += spent
        rss[kind] = max(rss[kind], peak)
    for process in running:
        process.join()
    found = account(told["publishers"], told["listener"])
    print(json.dumps({**found, "cpu": cpu, "rss": rss}))


if __name__ == "__main__":
    main()
