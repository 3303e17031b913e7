"""One room, many sockets: a burst, a steady pace, and one message after another.

Receivers sit on the first worker, posters on the second, and only the receivers' deliveries are
counted; but posters are in the room too, and a run in which they lack a message is not whole. In a
burst every poster sends its share at once; whatever a design does with it, it is done when the
last receiver has the last message.
"""

from __future__ import annotations

import asyncio
import functools
import time

from load import tally
from load.pace import paced
from load.socket import Socket
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, open_many
from targets.design import Design

# As many as the compared figures were taken with: connections that publish.
POSTERS = 16
# sockets -> messages of a burst: about 100,000 deliveries, but not more messages than people.
BURST = {10: 2000, 100: 1000, 500: 200, 1000: 100, 5000: 20}
PACED_SOCKETS, PACED_RATE, PACED_SECONDS = 100, 20, 20
# sockets -> messages of a talk in which the next follows when all have the one before.
IN_TURN = {10: 300, 100: 100, 500: 40, 1000: 20, 5000: 5}


async def burst(design: Design, run: Run, *, sockets: int, messages: int) -> None:
    """Everything at once; deliveries a second."""
    receivers, posters = await _room(design, sockets)
    try:
        sent: dict[int, float] = {}
        texts = tally.texts(messages)
        frames = [(number, design.frame(text)) for number, text in texts]
        with Meter(design.pod, run) as meter:
            for n, (number, frame) in enumerate(frames):
                sent[number] = time.perf_counter()
                posters[n % len(posters)].send(frame)
            await all_arrived(receivers, messages, meter.stop)
        await all_arrived(posters, messages)
        counted = count(receivers, [sent], posters)
        run.take(counted)
        if counted.whole:
            run.figures["deliveries_per_s"] = counted.arrived / counted.seconds
            run.figures["messages_per_s"] = messages / counted.seconds
            run.figures["worker_us_per_delivery"] = _worker(design, run) / counted.arrived * 1e6
            run.judge_load(counted.seconds)
    finally:
        close_all([*receivers, *posters])


async def steady(design: Design, run: Run, *, sockets: int, rate: float, seconds: float) -> None:
    """A steady pace; what a delivery costs the worker."""
    receivers, posters = await _room(design, sockets)
    try:
        sent: dict[int, float] = {}
        texts = tally.texts(int(rate * seconds))
        with Meter(design.pod, run) as meter:
            async for n in paced(len(texts), rate):
                number, text = texts[n]
                sent[number] = time.perf_counter()
                posters[n % len(posters)].send(design.frame(text))
            await all_arrived(receivers, len(texts), meter.stop)
        await all_arrived(posters, len(texts))
        counted = count(receivers, [sent], posters)
        run.take(counted)
        if counted.whole:
            run.figures["worker_us_per_delivery"] = _worker(design, run) / counted.arrived * 1e6
            run.figures["deliveries_per_s"] = counted.arrived / counted.seconds
    finally:
        close_all([*receivers, *posters])


async def in_turn(design: Design, run: Run, *, sockets: int, messages: int) -> None:
    """One after another: the next message is sent when all have the one before."""
    receivers, posters = await _room(design, sockets)
    try:
        sent: dict[int, float] = {}
        with Meter(design.pod, run):
            for number, text in tally.texts(messages):
                # Sockets that have it, by the bytes that have come: looked at, not called back.
                seen = [len(socket.chunks) for socket in receivers]
                mark = f"~{number:07d}~".encode()
                sent[number] = time.perf_counter()
                posters[0].send(design.frame(text))
                deadline = sent[number] + 10
                waiting = list(range(len(receivers)))
                while waiting and time.perf_counter() < deadline:
                    await asyncio.sleep(0.001)
                    waiting = [
                        n
                        for n in waiting
                        if not any(mark in chunk for chunk in receivers[n].chunks[seen[n] :])
                    ]
        await all_arrived(posters, messages)
        counted = count(receivers, [sent], posters)
        run.take(counted)
        if counted.whole:
            run.figures["messages_per_s"] = messages / counted.seconds
    finally:
        close_all([*receivers, *posters])


async def _room(design: Design, sockets: int) -> tuple[list[Socket], list[Socket]]:
    """The sockets of a run, warmed up by one message that everyone has."""
    receivers = await open_many(design, sockets)
    posters = await open_many(design, POSTERS, worker=1)
    (_, text), *_ = tally.texts(1)
    posters[0].send(design.frame(text))
    await all_arrived([*receivers, *posters], 1)
    for socket in (*receivers, *posters):
        socket.forget()
    return receivers, posters


def _worker(design: Design, run: Run) -> float:
    """Seconds of the worker that the receivers sit on."""
    return run.cpu.get(design.workers[0], 0.0)


def cases(quick: bool) -> list[Case]:
    """All of them, or short ones."""
    found = []
    for sockets, messages in BURST.items():
        if quick and sockets > 1000:
            continue
        several = max(10, messages // 4) if quick else messages
        found.append(
            Case(f"burst {sockets}", functools.partial(burst, sockets=sockets, messages=several))
        )
    found.append(
        Case(
            f"paced {PACED_SOCKETS}",
            functools.partial(
                steady,
                sockets=PACED_SOCKETS,
                rate=PACED_RATE,
                seconds=5 if quick else PACED_SECONDS,
            ),
        )
    )
    for sockets, messages in IN_TURN.items():
        if quick and sockets > 1000:
            continue
        several = max(5, messages // 5) if quick else messages
        found.append(
            Case(
                f"in turn {sockets}", functools.partial(in_turn, sockets=sockets, messages=several)
            )
        )
    return found


FANOUT = Scenario(
    "fanout",
    "One room, one sender's message to every socket",
    (
        "chatire", "bare", "bare-durable", "tutorial", "redis-core", "redis-default",
        "redis-pubsub", "socketio", "chatire-nginx",
    ),
    cases,
)  # fmt: skip
