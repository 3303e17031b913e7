"""What a unit of each thing costs: steady loads of different shapes, for the model to be fitted.

The last cases are not fitted: the model has to foresee them (model.py, costs.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from dataclasses import dataclass

from load import tally
from load.http import Connection
from load.pace import paced
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, open_many
from scenarios.posts import both
from targets.chatire import Chatire
from targets.design import HOST, Design

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
# What comes over HTTP goes through no ws worker, so it has costs of its own; to one process of the
# http tier.
HTTP_FITTED = (Shape(20, 2, 50), Shape(20, 2, 200), Shape(20, 2, 600))
HTTP_FORESEEN = (Shape(20, 2, 100), Shape(50, 2, 400))
HTTP_CONNECTIONS = 16
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


async def over_http(design: Design, run: Run, *, shape: Shape, seconds: float) -> None:
    """A steady load of posts over HTTP; receivers in each room, by turns on either worker."""
    tokens = await design.tokens()
    receivers = [
        socket
        for worker in range(shape.room)
        for socket in await open_many(design, shape.rooms, room=lambda n: n, worker=worker % 2)
    ]
    sent: list[dict[int, float]] = [{} for _ in range(shape.rooms)]
    refused: list[str] = []

    async def post(n: int, number: int, text: str, free: asyncio.Queue[Connection]) -> None:
        connection = await free.get()
        room, token = n % shape.rooms, tokens[n % len(tokens)]
        begun = time.perf_counter()
        path = design.message_path(room)
        try:
            status, content = await connection.ask("POST", path, {"message": text}, token)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            refused.append(repr(error))
        else:
            if status == 201:
                sent[room][number] = begun
            else:
                refused.append(f"{status}: {content[:200]!r}")
        free.put_nowait(connection)

    try:
        async with contextlib.AsyncExitStack() as stack:
            free: asyncio.Queue[Connection] = asyncio.Queue()
            for _ in range(HTTP_CONNECTIONS):
                connection = Connection(HOST, design.http_port)
                free.put_nowait(await stack.enter_async_context(connection))
            # Each process of the tier has answered before it counts, and each room has heard.
            for n, (number, text) in enumerate(tally.texts(2 * shape.rooms)):
                await post(n, number, text, free)
            await all_arrived(receivers, 2)
            for socket in receivers:
                socket.forget()
            sent[:] = [{} for _ in range(shape.rooms)]
            texts = tally.texts(int(shape.rate * seconds))
            with Meter(design.pod, run) as meter:
                async with asyncio.TaskGroup() as posts:
                    async for n in paced(len(texts), shape.rate):
                        posts.create_task(post(n, *texts[n], free))
                await asyncio.sleep(0.05)
                meter.stop()
                await all_arrived(receivers, [len(room) for room in sent] * shape.room)
        if refused:
            run.error = f"{len(refused)} posts failed, the first with {refused[0]}"
            return
        counted = count(receivers, sent)
        run.take(counted)
        if counted.whole:
            run.figures |= {
                "rate": len(texts) / run.seconds,
                "deliveries_per_s": counted.arrived / run.seconds,
                "ws_cores": sum(run.cpu.get(role, 0.0) for role in ("ws1", "ws2")) / run.seconds,
                "http_cores": run.cpu.get("http", 0.0) / run.seconds,
                "postgres_cores": run.cpu.get("postgres", 0.0) / run.seconds,
            }
    finally:
        close_all(receivers)


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
    steadily += [
        Case(f"{shape.name}, HTTP", functools.partial(over_http, shape=shape, seconds=seconds))
        for shape in HTTP_FITTED + HTTP_FORESEEN
    ]
    return [Case("nothing", functools.partial(nothing, seconds=seconds)), *steadily]


UNIT_COSTS = Scenario(
    "costs",
    "Steady loads, for the model of what things cost",
    ("chatire", "chatire-nginx"),
    cases,
    both,
)
