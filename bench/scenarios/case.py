"""What every scenario has: its cases, the designs it measures, and a few ways to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from load import tally
from load.socket import Socket
from meter import Run
from targets.design import Design

# Nothing more comes when nothing has come for so long after the last message was sent.
QUIET_SECONDS = 0.4
# What has not come so long after the last sign of life is lost. The slowest designs are silent for
# ten seconds in the middle of a burst to 1,000 sockets.
LATE_SECONDS = 30.0
# In which a worker of the plain channels-postgres, after its first socket, begins to listen.
LISTENING_SECONDS = 20.0
# Handshakes that are under way at the same time.
AT_ONCE = 50


@dataclass(frozen=True)
class Case:
    """One measurement: a name, and a coroutine that fills in a run."""

    name: str
    measure: Callable[[Design, Run], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """Cases that run after each other on a design that is started once for them."""

    name: str
    title: str
    designs: tuple[str, ...]
    cases: Callable[[bool], Sequence[Case]]
    # What is started, besides what all of them need.
    start: Callable[[Design], None] = lambda design: design.start()


async def open_many(
    design: Design, count: int, *, room: Callable[[int], int] = lambda _: 0, worker: int = 0,
    query: str = "",
) -> list[Socket]:  # fmt: skip
    """Open sockets, some at a time; the first one alone where a design needs that."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Socket:
        async with gate:
            return await design.open(room(number), user=number, worker=worker, query=query)

    first = []
    if design.alone_first and count:
        first = [await one(0)]
        await hears_itself(design, first[0])
    opening = [asyncio.ensure_future(one(number)) for number in range(len(first), count)]
    try:
        return first + list(await asyncio.gather(*opening))
    except BaseException:
        for task in opening:
            task.cancel()
        for done in await asyncio.gather(*opening, return_exceptions=True):
            if isinstance(done, Socket):
                done.transport.abort()
        raise


async def hears_itself(design: Design, socket: Socket) -> None:
    """Post until something comes back: the worker listens. Raises TimeoutError.

    Further sockets before that would each start a listener of the plain channels-postgres, and
    every message would come so many times.
    """
    heard = len(socket.chunks)
    async with asyncio.timeout(LISTENING_SECONDS):
        while len(socket.chunks) == heard:
            ((_, text),) = tally.texts(1)
            socket.send(design.frame(text))
            await asyncio.sleep(0.5)


def close_all(sockets: Sequence[Socket]) -> None:
    """Cut sockets; what a polite close costs is measured elsewhere."""
    for socket in sockets:
        socket.transport.abort()


def count(
    receivers: Sequence[Socket],
    sent: Sequence[dict[int, float]],
    posters: Sequence[Socket] = (),
) -> tally.Tally:
    """What came of the messages to one room or more, over which the sockets are spread in turn.

    Posters are in their rooms too: what they lack counts, what they have is not measured.
    """
    everywhere = {number for room in sent for number in room}
    counted = tally.Tally()
    for n, socket in enumerate(receivers):
        seen = tally.read(socket.chunks, socket.times)
        counted.add(sent[n % len(sent)], seen, everywhere)
    for n, socket in enumerate(posters):
        seen = tally.read(socket.chunks, socket.times)
        counted.check(sent[n % len(sent)], seen, everywhere)
    return counted


async def all_arrived(
    sockets: Sequence[Socket],
    wanted: int | Sequence[int],
    stop: Callable[[float], None] = lambda _: None,
) -> None:
    """Wait until every socket has `wanted` messages, or each its own number, or none came for long.

    Looks only when it is quiet: counting during a burst would take time from what is measured.
    Calls `stop`, with the processor time that looking took, when everything is there; then waits a
    little longer for what is doubled.
    """
    needed = [wanted] * len(sockets) if isinstance(wanted, int) else wanted
    counted = [0] * len(sockets)
    looked = [0] * len(sockets)
    spent = 0.0
    begun = time.perf_counter()
    while True:
        await asyncio.sleep(0.1)
        latest = max((socket.times[-1] for socket in sockets if socket.times), default=begun)
        quiet = time.perf_counter() - latest
        if quiet < QUIET_SECONDS:
            continue
        missing = False
        own = time.process_time()
        for n, socket in enumerate(sockets):
            if counted[n] < needed[n] and len(socket.chunks) > looked[n]:
                counted[n] = len(tally.MARK.findall(b"".join(socket.chunks)))
                looked[n] = len(socket.chunks)
            missing = missing or counted[n] < needed[n]
        spent += time.process_time() - own
        if not missing or quiet > LATE_SECONDS:
            stop(spent)
            await asyncio.sleep(QUIET_SECONDS)
            return
