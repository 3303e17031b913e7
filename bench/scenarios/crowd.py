"""Sockets in great number: idle ones, a few that talk among many that do not, all coming back."""

from __future__ import annotations

import asyncio
import functools
import re
import time

import processes
from load import tally
from load.pace import paced
from load.socket import Socket
from load.statistic import latencies
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, open_many
from targets.chatire import ROOMS
from targets.design import Design

# Each connection takes a descriptor here and one in the server, and the hard limit of open files
# is 20,000.
IDLE_SOCKETS = 10_000
# The rooms that they are spread over; the compared designs have them as well.
SPREAD = ROOMS
# What a worker needs after the last handshake until its memory stands still.
SETTLE_SECONDS = 3.0
MIXED_SOCKETS, MIXED_RATE, MIXED_SECONDS = 1_000, 100, 15
ACK = re.compile(rb'"type":"ack"[^}]*"seq":(\d+)')
STORM_SOCKETS, STORM_MISSED = 2_000, 10


async def idle(design: Design, run: Run, *, sockets: int) -> None:
    """Memory that one idle socket takes in the worker."""
    worker = design.workers[0]
    warm = await open_many(design, 50, room=lambda n: n % SPREAD)
    await asyncio.sleep(1)
    found = processes.snapshot(design.pod.containers)
    before, nginx = processes.memory(found)[worker], processes.total(found, "nginx")
    held = list(warm)
    try:
        with Meter(design.pod, run) as meter:
            begun = time.perf_counter()
            held += await open_many(design, sockets, room=lambda n: n % SPREAD)
            opened = time.perf_counter() - begun
            await asyncio.sleep(SETTLE_SECONDS)
            meter.stop()
            nginx = processes.total(processes.snapshot(design.pod.containers), "nginx") - nginx
        alive = sum(not socket.closed.done() for socket in held)
        run.lost = len(held) - alive
        if run.lost:
            run.error = f"{run.lost} of {len(held)} sockets were closed"
            return
        run.figures = {
            "kb_per_socket": (run.rss[worker] - before) / sockets / 1024,
            "sockets_per_s": sockets / opened,
            "worker_ms_per_socket": run.cpu[worker] / sockets * 1000,
        }
        if nginx:
            run.figures["nginx_kb_per_socket"] = nginx / sockets / 1024
    finally:
        close_all(held)


async def mixed(design: Design, run: Run, *, sockets: int, rate: float, seconds: float) -> None:
    """Nine of ten rooms are idle; in the tenth part somebody says something, at a steady pace."""
    busy = SPREAD // 10
    held = await open_many(design, sockets, room=lambda n: n % SPREAD)
    posters = await open_many(design, busy, room=lambda n: n, worker=1)
    try:
        for poster in posters:
            ((_, text),) = tally.texts(1)
            poster.send(design.frame(text))
        talking = [socket for n, socket in enumerate(held) if n % SPREAD < busy]
        await all_arrived([*talking, *posters], 1)
        for socket in (*held, *posters):
            socket.forget()
        sent: list[dict[int, float]] = [{} for _ in range(SPREAD)]
        texts = tally.texts(int(rate * seconds))
        with Meter(design.pod, run) as meter:
            async for n in paced(len(texts), rate):
                number, text = texts[n]
                sent[n % busy][number] = time.perf_counter()
                posters[n % busy].send(design.frame(text))
            await all_arrived(talking, len(texts) // busy, meter.stop)
        await all_arrived(posters, len(texts) // busy)
        # The idle rooms' sockets as well: nothing of what was said belongs there.
        counted = count(held, sent, posters)
        run.take(counted)
        if counted.whole:
            cpu = run.cpu.get(design.workers[0], 0.0)
            run.figures["worker_us_per_delivery"] = cpu / counted.arrived * 1e6
            run.figures["deliveries_per_s"] = counted.arrived / counted.seconds
    finally:
        close_all([*held, *posters])


async def storm(design: Design, run: Run, *, sockets: int, missed: int) -> None:
    """All sockets come back at once, and ask for what they have missed."""
    poster = await design.open(0, worker=1)
    held = []
    try:
        seqs: list[int] = []
        sent: dict[int, float] = {}
        for number, text in tally.texts(missed):
            before = len(poster.chunks)
            sent[number] = time.perf_counter()
            poster.send(design.frame(text))
            seqs.append(await _acked(poster, before))
        query = f"?after={seqs[0] - 1}"
        took: list[float] = []

        async def come_back(number: int) -> None:
            begun = time.perf_counter()
            held.append(await design.open(0, user=number, query=query))
            took.append(time.perf_counter() - begun)

        with Meter(design.pod, run) as meter:
            begun = time.perf_counter()
            await asyncio.gather(*(come_back(number) for number in range(sockets)))
            lasted = time.perf_counter() - begun
            meter.stop()
            await asyncio.sleep(1)
        counted = count(held, [sent], [poster])
        run.take(counted)
        if counted.whole:
            run.figures = {**latencies(took), "sockets_per_s": sockets / lasted}
    finally:
        close_all([poster, *held])


async def _acked(poster: Socket, before: int) -> int:
    """Wait for an ack after the first `before` chunks; returns its `seq`. Raises TimeoutError."""
    deadline = time.perf_counter() + 10
    while time.perf_counter() < deadline:
        await asyncio.sleep(0.002)
        found = ACK.search(b"".join(poster.chunks[before:]))
        if found:
            return int(found[1])
    raise TimeoutError("a message was not acked")


def _cases(quick: bool, scenario: str) -> list[Case]:
    if scenario == "idle":
        sockets = 1_000 if quick else IDLE_SOCKETS
        return [Case(f"{sockets} sockets", functools.partial(idle, sockets=sockets))]
    if scenario == "mixed":
        seconds = 4 if quick else MIXED_SECONDS
        measure = functools.partial(mixed, sockets=MIXED_SOCKETS, rate=MIXED_RATE, seconds=seconds)
        return [Case(f"{MIXED_SOCKETS} sockets, a tenth talks", measure)]
    sockets = 500 if quick else STORM_SOCKETS
    measure = functools.partial(storm, sockets=sockets, missed=STORM_MISSED)
    return [Case(f"{sockets} at once, {STORM_MISSED} missed", measure)]


MIXED = Scenario(
    "mixed",
    "Nine of ten rooms idle, the rest talking",
    ("chatire", "bare", "tutorial", "redis-core", "redis-pubsub", "socketio", "chatire-nginx"),
    functools.partial(_cases, scenario="mixed"),
)
STORM = Scenario(
    "storm",
    "All come back at once and resume",
    ("chatire", "chatire-nginx"),
    functools.partial(_cases, scenario="storm"),
)
IDLE = Scenario(
    "idle",
    "Memory of idle sockets",
    ("chatire", "bare", "tutorial", "redis-core", "redis-pubsub", "socketio", "chatire-nginx"),
    functools.partial(_cases, scenario="idle"),
)
