"""What is measured, one coroutine or function each; every one returns its figures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from chat_load import Account, Api, Poster, Socket, Window, open_socket
from load.pace import paced
from report import Figure
from stack import Stack

MIB = 2**20
KIB = 2**10

# The goals of the kit on an idle machine of two cores.
IDLE_PSS_MB = 600
DELIVERY_MS = 15
SOCKET_KB = 35
CHURN_GROWTH_MB = 10

# nginx promises 200 handshakes a second to one address; a figure stays under any promise.
HANDSHAKES_A_SECOND = 150
# Far enough apart that a post meets an idle stack, and below 100 API calls a second.
POSTS_A_SECOND = 20
# What has not arrived so long after the last post is lost.
LATE_SECONDS = 10
# Sockets that are being opened or closed at the same time in the churn.
AT_ONCE = 4
# A layer message lives for a minute and then waits for the janitor; what is there later stays.
SETTLE_SECONDS = 150

LEFT_BEHIND = {
    "layer messages": "SELECT count(*) FROM channels_postgres_message",
    "group rows": "SELECT count(*) FROM channels_postgres_groupchannel",
    "presence rows": "SELECT count(*) FROM realtime_presence",
    "advisory locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "listening connections": "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name LIKE 'chatire-listen%'",
}


@dataclass(frozen=True)
class Scene:
    """Who takes part: the stack, its address, two accounts and their chat."""

    stack: Stack
    url: str
    alice: Account
    bob: Account
    uri: str


def scene(stack: Stack, url: str, api: Api) -> Scene:
    """Make the accounts and the chat that a load needs."""
    alice, bob = api.account("alice"), api.account("bob")
    return Scene(stack, url, alice, bob, api.chat(alice, bob))


def progress(text: str) -> None:
    """One line that renews itself, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# --- the idle stack ---------------------------------------------------------------------------


def idle_memory(stack: Stack) -> list[Figure]:
    """Proportional set size of every process of the stack."""
    by_service: Counter[str] = Counter()
    processes: Counter[str] = Counter()
    for container in stack.containers():
        by_service[container.service] += 0
    for service in by_service:
        for memory in stack.memory(service):
            by_service[service] += memory.pss
            processes[service] += 1
    split = ", ".join(f"{name} {size / MIB:.0f}" for name, size in by_service.most_common())
    total = sum(by_service.values()) / MIB
    count = sum(processes.values())
    note = f"{count} processes in {len(stack.containers())} containers: {split}"
    return [Figure("idle stack, PSS", total, "MB", IDLE_PSS_MB, note)]


# --- post to delivery -------------------------------------------------------------------------


async def delivery(scene: Scene, posts: int) -> list[Figure]:
    """Post over HTTP, one at a time, and hear of it on a WebSocket, both through nginx."""
    arrivals: dict[int, list[float]] = {}

    complete = asyncio.Event()

    def heard(at: float, text: bytes) -> None:
        frame = json.loads(text)
        if frame["type"] == "message":
            arrivals.setdefault(frame["seq"], []).append(at)
            if len(arrivals) > posts:  # and the one that warmed up
                complete.set()

    socket = await open_socket(scene.url, scene.bob, scene.uri, heard)
    sent: dict[int, float] = {}
    answered: list[float] = []
    async with Poster(scene.url, scene.alice, scene.uri) as poster:
        await poster.post("warming up")
        own = time.process_time()
        async for number in paced(posts, POSTS_A_SECOND):
            progress(f"post to delivery: {number + 1} of {posts}")
            begin = time.perf_counter()
            seq = (await poster.post(f"message {number}"))["seq"]
            answered.append(time.perf_counter() - begin)
            sent[seq] = begin
        own = time.process_time() - own
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(complete.wait(), LATE_SECONDS)
    await socket.close()
    took = sorted((arrivals[seq][0] - at) * 1000 for seq, at in sent.items() if seq in arrivals)
    lost = len(sent.keys() - arrivals.keys())
    doubled = sum(len(times) - 1 for times in arrivals.values())
    note = f"n = {len(took)}; answered after {statistics.median(answered) * 1000:.1f} ms"
    return [
        Figure("post to delivery, median", statistics.median(took), "ms", DELIVERY_MS, note),
        Figure("post to delivery, p90", quantile(took, 0.9), "ms"),
        Figure("post to delivery, max", took[-1], "ms"),
        Figure("messages lost", lost, "", 0),
        Figure("messages doubled", doubled, "", 0),
        Figure("client's own CPU a message", own / posts * 1000, "ms", note="within the above"),
    ]


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- idle sockets -----------------------------------------------------------------------------


async def idle_sockets(scene: Scene, count: int) -> list[Figure]:
    """Open sockets that do nothing, and see what the stack holds for them."""
    # What a first socket loads and allocates once is not what a further one costs.
    for socket in await opened(scene, 100, "warming up"):
        await socket.close()
    await asyncio.sleep(2)
    before = {service: scene.stack.pss(service) for service in ("ws", "nginx")}
    own = own_rss()
    sockets = await opened(scene, count, "idle sockets")
    own = own_rss() - own
    await asyncio.sleep(2)
    after = {service: scene.stack.pss(service) for service in ("ws", "nginx")}
    progress("closing")
    await asyncio.gather(*(socket.close() for socket in sockets))
    each = {service: (after[service] - before[service]) / count / KIB for service in after}
    workers = len(scene.stack.containers("ws"))
    return [
        Figure(
            "idle socket in the ws worker",
            each["ws"],
            "KB",
            SOCKET_KB,
            f"{count:,} sockets in {workers} workers, PSS",
        ),
        Figure("idle socket in nginx", each["nginx"], "KB"),
        Figure("idle socket in the client", own / count / KIB, "KB", note="not in the above"),
    ]


async def opened(scene: Scene, count: int, what: str) -> list[Socket]:
    """So many sockets of two accounts in one chat, none opened faster than promised."""
    sockets: list[Socket] = []
    window = Window(AT_ONCE * 4)

    async def one(number: int) -> None:
        owner = (scene.alice, scene.bob)[number % 2]
        sockets.append(await open_socket(scene.url, owner, scene.uri))

    async for number in paced(count, HANDSHAKES_A_SECOND):
        progress(f"{what}: {number + 1:,} of {count:,}")
        await window.add(asyncio.create_task(one(number)))
    await window.drain()
    return sockets


def own_rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# --- sockets opened and closed ----------------------------------------------------------------


async def churn(scene: Scene, count: int, settled_after: int) -> list[Figure]:
    """Open and close sockets one after another; nothing may grow or be left behind."""
    left_before = left_behind(scene.stack)
    tasks_before = tasks(scene.stack)
    window = Window(AT_ONCE)
    level = dict.fromkeys(("pss", "rss"), 0)
    begin = time.perf_counter()

    async def one(number: int) -> None:
        owner = (scene.alice, scene.bob)[number % 2]
        socket = await open_socket(scene.url, owner, scene.uri)
        await socket.close()

    async for number in paced(count, HANDSHAKES_A_SECOND):
        if number == settled_after:
            await window.drain()
            level = held(scene.stack)
        if number % 100 == 0:
            rate = number / max(time.perf_counter() - begin, 0.001)
            progress(f"opened and closed: {number:,} of {count:,}, {rate:.0f} a second")
        await window.add(asyncio.create_task(one(number)))
    await window.drain()
    rate = count / (time.perf_counter() - begin)
    progress("waiting for what is left to go")
    deadline = time.perf_counter() + SETTLE_SECONDS
    while True:
        left = {
            name: rows - left_before[name]
            for name, rows in left_behind(scene.stack).items()
            if rows > left_before[name]
        }
        if not left or time.perf_counter() > deadline:
            break
        await asyncio.sleep(1)
    end = held(scene.stack)
    more_tasks = tasks(scene.stack) - tasks_before
    growth = {name: (end[name] - level[name]) / MIB for name in level}
    note = (
        f"{count:,} sockets at {rate:.0f} a second; from {level['pss'] / MIB:.1f} MB after "
        f"{settled_after:,} to {end['pss'] / MIB:.1f} MB, both workers"
    )
    return [
        Figure("ws workers' growth, PSS", growth["pss"], "MB", CHURN_GROWTH_MB, note),
        Figure("ws workers' growth, RSS", growth["rss"], "MB", CHURN_GROWTH_MB),
        Figure(
            "rows, locks and listeners left",
            sum(left.values()),
            "",
            0,
            ", ".join(f"{name} {rows}" for name, rows in left.items()),
        ),
        Figure("tasks left in the workers", max(more_tasks, 0), "", 0),
    ]


def left_behind(stack: Stack) -> dict[str, int]:
    return {name: stack.value(sql) for name, sql in LEFT_BEHIND.items()}


def held(stack: Stack) -> dict[str, int]:
    workers = stack.memory("ws")
    return {"pss": sum(each.pss for each in workers), "rss": sum(each.rss for each in workers)}


def tasks(stack: Stack) -> int:
    """The asyncio tasks of all ws workers, as they count them themselves."""
    counted = [stack.readiness(container)["tasks"] for container in stack.containers("ws")]
    return sum(int(str(each)) for each in counted)
