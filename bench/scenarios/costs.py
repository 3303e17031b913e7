"""What a unit of each thing costs: steady loads of different shapes, for the model to be fitted.

The last cases are not fitted: the model has to foresee them (model.py, costs.py).
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass

from load import tally
from load.pace import paced
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, open_many
from targets.chatire import Chatire
from targets.design import Design

SECONDS = 10.0


@dataclass(frozen=True)
class Shape:
    """Rooms, receivers in each (on the first worker), messages a second in all."""

    rooms: int
    room: int
    rate: int

    @property
    def name(self) -> str:
        return f"{self.rooms} × {self.room} @ {self.rate}"


# The last three are dense: messages go together.
FITTED = (
    Shape(1, 10, 50), Shape(1, 10, 300), Shape(1, 400, 25), Shape(20, 20, 100), Shape(20, 2, 700),
    Shape(20, 2, 2000), Shape(50, 2, 3000),
)  # fmt: skip
FORESEEN = (Shape(50, 10, 200), Shape(5, 100, 60), Shape(50, 2, 1200))
# As many idle workers beside the two, on ports from there on.
MORE_WORKERS, IDLE_PORT = 4, 8111
# What goes on beside them.
HEARD = (Shape(1, 10, 300), Shape(20, 2, 2000))


async def steady(design: Design, run: Run, *, shape: Shape, seconds: float) -> None:
    """A steady load; one poster a room, on the second worker."""
    receivers = await open_many(design, shape.rooms * shape.room, room=lambda n: n % shape.rooms)
    posters = await open_many(design, shape.rooms, room=lambda n: n, worker=1)
    try:
        await asyncio.sleep(1.5)
        for socket in (*receivers, *posters):
            socket.forget()
        sent: list[dict[int, float]] = [{} for _ in range(shape.rooms)]
        texts = tally.texts(int(shape.rate * seconds))
        with Meter(design.pod, run) as meter:
            async for n in paced(len(texts), shape.rate):
                number, text = texts[n]
                sent[n % shape.rooms][number] = time.perf_counter()
                posters[n % shape.rooms].send(design.frame(text))
            await asyncio.sleep(0.05)
            meter.stop()
            wanted = [len(sent[n % shape.rooms]) for n in range(len(receivers))]
            await all_arrived(receivers, wanted)
        await all_arrived(posters, [len(room) for room in sent])
        counted = count(receivers, sent, posters)
        run.take(counted)
        if counted.whole:
            run.figures |= {
                "rate": len(texts) / run.seconds,
                "deliveries_per_s": counted.arrived / run.seconds,
                "receiver_cores": run.cpu.get("ws1", 0.0) / run.seconds,
                "poster_cores": run.cpu.get("ws2", 0.0) / run.seconds,
                "postgres_cores": run.cpu.get("postgres", 0.0) / run.seconds,
                "nginx_cores": run.cpu.get("nginx", 0.0) / run.seconds,
            }
    finally:
        close_all([*receivers, *posters])


async def more_workers(design: Design, run: Run, *, shape: Shape, seconds: float) -> None:
    """The same with workers that serve nobody: what hearing costs them and PostgreSQL."""
    roles = [f"ws{n}" for n in range(3, 3 + MORE_WORKERS)]
    if not isinstance(design, Chatire):
        raise TypeError(f"{design.name} is not chatire")
    try:
        for n, role in enumerate(roles):
            design.start_worker(role, IDLE_PORT + n)
        await asyncio.sleep(2)
        await steady(design, run, shape=shape, seconds=seconds)
        if run.figures:
            idle = sum(run.cpu.get(role, 0.0) for role in roles)
            run.figures["idle_worker_cores"] = idle / MORE_WORKERS / run.seconds
    finally:
        design.pod.stop(*roles)


async def nothing(design: Design, run: Run, *, seconds: float) -> None:
    """A hundred sockets, and nobody says anything."""
    held = await open_many(design, 100, room=lambda n: n)
    try:
        await asyncio.sleep(2)
        with Meter(design.pod, run) as meter:
            await asyncio.sleep(seconds)
            meter.stop()
        run.figures = {
            "receiver_cores": run.cpu.get("ws1", 0.0) / run.seconds,
            "worker_mb": run.rss["ws1"] / 2**20,
        }
    finally:
        close_all(held)


def cases(quick: bool) -> list[Case]:
    seconds = 4.0 if quick else SECONDS
    steadily = [
        Case(shape.name, functools.partial(steady, shape=shape, seconds=seconds))
        for shape in FITTED + FORESEEN
    ]
    steadily += [
        Case(
            f"{shape.name}, {2 + MORE_WORKERS} workers",
            functools.partial(more_workers, shape=shape, seconds=seconds),
        )
        for shape in HEARD
    ]
    return [Case("nothing", functools.partial(nothing, seconds=seconds)), *steadily]


UNIT_COSTS = Scenario(
    "costs", "Steady loads, for the model of what things cost", ("chatire", "chatire-nginx"), cases
)
