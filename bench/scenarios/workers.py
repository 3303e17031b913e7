"""What a second ws worker adds, on the cores that there are.

Everything is on one machine: with two cores, a second worker takes what the load generator,
PostgreSQL and the posters' worker leave. What it adds here is the least that it adds anywhere.
"""

from __future__ import annotations

import asyncio
import functools
import time

from load import tally
from load.socket import Socket
from load.statistic import latencies
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count
from scenarios.fanout import POSTERS
from targets.chatire import Chatire
from targets.design import Design

SOCKETS, MESSAGES = 1_000, 400
ROOMS, SECONDS = 16, 8.0


async def deliveries(design: Design, run: Run, *, workers: int, messages: int) -> None:
    """A burst to one room whose sockets sit on one worker, or on two."""
    gate = asyncio.Semaphore(50)

    async def receiver(number: int) -> None:
        async with gate:
            worker = (0, 2)[number % workers]
            receivers.append(await design.open(0, user=number, worker=worker))

    receivers: list[Socket] = []
    posters = [await design.open(0, user=n, worker=1) for n in range(POSTERS)]
    try:
        await asyncio.gather(*(receiver(number) for number in range(SOCKETS)))
        await asyncio.sleep(1.5)
        for socket in (*receivers, *posters):
            socket.forget()
        sent: dict[int, float] = {}
        texts = tally.texts(messages)
        with Meter(design.pod, run) as meter:
            for n, (number, text) in enumerate(texts):
                sent[number] = time.perf_counter()
                posters[n % POSTERS].send(design.frame(text))
            await all_arrived(receivers, messages, meter.stop)
        await all_arrived(posters, messages)
        counted = count(receivers, [sent], posters)
        run.take(counted)
        if counted.whole:
            run.figures["deliveries_per_s"] = counted.arrived / counted.seconds
            run.judge_load(counted.seconds)
    finally:
        close_all([*receivers, *posters])


async def posts(design: Design, run: Run, *, workers: int, seconds: float) -> None:
    """16 sockets that post and wait for their acks, on one worker or on two."""
    acked = [asyncio.Event() for _ in range(ROOMS)]
    sent: list[dict[int, float]] = [{} for _ in range(ROOMS)]
    took: list[float] = []
    sockets = []

    def hear(room: int, data: bytes) -> None:
        if b'"ack"' in data:
            acked[room].set()

    for room in range(ROOMS):
        heard = functools.partial(hear, room)
        worker = (0, 2)[room % workers]
        sockets.append(await design.open(room, user=room, worker=worker, heard=heard))
    try:
        await asyncio.sleep(0.5)

        async def talk(room: int, until: float) -> None:
            while (begun := time.perf_counter()) < until:
                ((number, text),) = tally.texts(1)
                acked[room].clear()
                sent[room][number] = begun
                sockets[room].send(design.frame(text))
                await asyncio.wait_for(acked[room].wait(), 30)
                took.append(time.perf_counter() - begun)

        with Meter(design.pod, run):
            begun = time.perf_counter()
            await asyncio.gather(*(talk(room, begun + seconds) for room in range(ROOMS)))
            lasted = time.perf_counter() - begun
        await all_arrived(sockets, [len(one) for one in sent])
        counted = count(sockets, sent)
        run.take(counted)
        if counted.whole:
            run.figures = {**latencies(took), "messages_per_s": len(took) / lasted}
    finally:
        close_all(sockets)


def start(design: Design) -> None:
    """The two that every scenario has, and a third."""
    if not isinstance(design, Chatire):
        raise TypeError(f"{design.name} is not chatire")
    design.start()
    design.start_third()


def cases(quick: bool) -> list[Case]:
    messages, seconds = (50, 2.0) if quick else (MESSAGES, SECONDS)
    found = []
    for workers in (1, 2):
        name = f"{workers} worker{'s' * (workers > 1)}"
        burst = functools.partial(deliveries, workers=workers, messages=messages)
        found.append(Case(f"deliveries, {name}", burst))
        post = functools.partial(posts, workers=workers, seconds=seconds)
        found.append(Case(f"posts, {name}", post))
    return found


WORKERS = Scenario("workers", "One ws worker, and two", ("chatire",), cases, start)
