"""Posting by 16 clients over HTTP, and over WebSocket: how many, and how soon answered.

A listener in every room, on the second worker, hears what was posted; so a message that was
answered and then lost, or told twice, is found.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time

from load import tally
from load.http import Connection
from load.socket import Socket
from load.statistic import latencies
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, hears_itself
from targets.design import HOST, Design

CLIENTS = 16
SECONDS = 8.0
# One at a time, before all together, each on a connection of its own, so that every process gets
# some: one of the tutorial's design that gets its first requests together fails for ever.
WARM_UP = 32


async def over_http(design: Design, run: Run, *, seconds: float) -> None:
    """Requests a second, each client's next one when the last is answered."""
    tokens = await design.tokens()
    listeners = await _listeners(design) if design.listens else []
    sent: list[dict[int, float]] = [{} for _ in range(CLIENTS)]
    took: list[float] = []
    refused: list[str] = []
    end = 0.0

    async def post(client: int, connection: Connection, number: int, text: str) -> None:
        path, token = design.message_path(client), tokens[client % len(tokens)]
        begun = time.perf_counter()
        status, content = await connection.ask("POST", path, {"message": text}, token)
        if status == 201:
            took.append(time.perf_counter() - begun)
            sent[client][number] = begun
        else:
            refused.append(f"{status}: {content[:200]!r}")

    async def talk(client: int) -> None:
        async with Connection(HOST, design.http_port) as connection:
            while time.perf_counter() < end and len(refused) < 10:
                ((number, text),) = tally.texts(1)
                await post(client, connection, number, text)

    try:
        for n in range(WARM_UP):
            async with Connection(HOST, design.http_port) as connection:
                ((number, text),) = tally.texts(1)
                await post(n % CLIENTS, connection, number, text)
        await all_arrived(listeners, 1)
        for socket in listeners:
            socket.forget()
        sent, took = [{} for _ in range(CLIENTS)], []
        with Meter(design.pod, run) as meter:
            begun = time.perf_counter()
            end = begun + seconds
            await asyncio.gather(*(talk(client) for client in range(CLIENTS)))
            lasted = time.perf_counter() - begun
            meter.stop()
            if listeners:
                await all_arrived(listeners, [len(one) for one in sent[: len(listeners)]])
        if refused:
            run.error = f"{len(refused)} posts failed, the first with {refused[0]}"
            return
        counted = count(listeners, sent)
        run.take(counted)
        if counted.whole:
            if listeners:
                run.figures = {f"delivery_{k}": v for k, v in run.figures.items()}
            run.figures |= latencies(took)
            run.figures["requests_per_s"] = len(took) / lasted
    finally:
        close_all(listeners)


async def over_websocket(design: Design, run: Run, *, rooms: int, seconds: float) -> None:
    """16 sockets on the first worker, each with one message under way until it is acked."""
    acked = [asyncio.Event() for _ in range(CLIENTS)]
    sent: list[dict[int, float]] = [{} for _ in range(rooms)]
    took: list[float] = []
    posters: list[Socket] = []
    listeners: list[Socket] = []

    def hear(client: int, data: bytes) -> None:
        if b'"ack"' in data:
            acked[client].set()

    try:
        for client in range(CLIENTS):
            heard = functools.partial(hear, client)
            posters.append(await design.open(client % rooms, user=client, heard=heard))
        listeners += [await design.open(room, worker=1) for room in range(min(rooms, CLIENTS))]
        await asyncio.sleep(0.5)
        end = 0.0

        async def talk(client: int) -> None:
            while time.perf_counter() < end:
                ((number, text),) = tally.texts(1)
                acked[client].clear()
                begun = sent[client % rooms][number] = time.perf_counter()
                posters[client].send(design.frame(text))
                await asyncio.wait_for(acked[client].wait(), 30)
                took.append(time.perf_counter() - begun)

        with Meter(design.pod, run) as meter:
            begun = time.perf_counter()
            end = begun + seconds
            await asyncio.gather(*(talk(client) for client in range(CLIENTS)))
            lasted = time.perf_counter() - begun
            meter.stop()
            await all_arrived(listeners, [len(one) for one in sent[: len(listeners)]])
        await all_arrived(posters, [len(sent[n % rooms]) for n in range(CLIENTS)])
        counted = count(listeners, sent, posters)
        run.take(counted)
        if counted.whole:
            run.figures = {f"delivery_{k}": v for k, v in run.figures.items()}
            run.figures |= latencies(took)
            run.figures["messages_per_s"] = len(took) / lasted
            run.figures["worker_us_per_message"] = run.cpu["ws1"] / len(took) * 1e6
    finally:
        close_all([*posters, *listeners])


async def _listeners(design: Design) -> list[Socket]:
    found = [await design.open(0, worker=1)]
    if design.alone_first:
        await hears_itself(design, found[0])
    return found + [await design.open(room, worker=1) for room in range(1, CLIENTS)]


async def sign_in(design: Design, run: Run, *, count: int) -> None:
    """Sign-ins by 4 clients: what a password's hash costs."""
    took: list[float] = []
    waiting = list(range(count))

    async def client() -> None:
        async with Connection(HOST, design.http_port) as connection:
            while waiting:
                number = waiting.pop() % len(design.usernames)
                body = {"username": design.usernames[number], "password": design.password}
                begun = time.perf_counter()
                status, content = await connection.ask("POST", "/auth/jwt/create/", body)
                if status != 200 or "access" not in json.loads(content):
                    raise ConnectionError(f"sign-in answered {status}: {content[:200]!r}")
                took.append(time.perf_counter() - begun)

    with Meter(design.pod, run):
        begun = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(4)))
        lasted = time.perf_counter() - begun
    run.figures = {**latencies(took), "requests_per_s": count / lasted}


def both(design: Design) -> None:
    """Start the ws workers, which the listeners need, and what answers HTTP."""
    if design.listens:
        design.start()
    design.start_http()


HTTP_POSTS = Scenario(
    "http",
    f"Posts over HTTP by {CLIENTS} clients",
    ("chatire", "tutorial", "tutorial-kept", "bare-view", "chatire-nginx"),
    lambda quick: [
        Case(f"{CLIENTS} clients", functools.partial(over_http, seconds=3 if quick else SECONDS))
    ],
    both,
)
WS_POSTS = Scenario(
    "ws",
    f"Posts over WebSocket by {CLIENTS} sockets, each waiting for its ack",
    ("chatire", "chatire-nginx"),
    lambda quick: [
        Case(name, functools.partial(over_websocket, rooms=rooms, seconds=3 if quick else SECONDS))
        for name, rooms in ((f"{CLIENTS} rooms", CLIENTS), ("one room", 1))
    ],
)
SIGN_IN = Scenario(
    "signin",
    "Sign-ins by 4 clients",
    ("chatire", "chatire-nginx"),
    lambda quick: [Case("4 clients", functools.partial(sign_in, count=8 if quick else 40))],
    both,
)
