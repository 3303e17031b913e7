"""Many rooms of two: each answers the other's message as soon as it is heard.

One of the two sits on the first worker, the other on the second, so that every message crosses.
"""

from __future__ import annotations

import asyncio
import functools
import time

from load import tally
from load.socket import Socket
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, hears_itself
from targets.design import Design

ROOMS = 100
SECONDS = 8.0
AT_ONCE = 20


class Talk:
    """One room's two, and the message that is under way between them."""

    def __init__(self, design: Design, room: int) -> None:
        self.design, self.room = design, room
        self.sockets: list[Socket] = []
        self.sent: dict[int, float] = {}
        self.running = False
        self._next = 0
        self._tails = [b"", b""]
        self._mark = b""

    async def open(self) -> None:
        """Open both sockets; the one of the second worker speaks first."""
        for side in (0, 1):
            heard = functools.partial(self._heard, side)
            user = 2 * self.room + side
            self.sockets.append(
                await self.design.open(self.room, user=user, worker=side, heard=heard)
            )

    def speak(self) -> None:
        """Send the next message, from the side whose turn it is."""
        ((number, text),) = tally.texts(1)
        side, self._next = self._next, 1 - self._next
        self._mark = f"~{number:07d}~".encode()
        self.sent[number] = time.perf_counter()
        self.sockets[side].send(self.design.frame(text))

    def _heard(self, side: int, data: bytes) -> None:
        if not self.running:
            return
        data = self._tails[side] + data
        # One byte short of a number: what is cut is found, what is whole is not found twice.
        self._tails[side] = data[-(len(self._mark) - 1) :]
        if side == self._next and self._mark in data:
            self.speak()


async def closed_loop(design: Design, run: Run, *, rooms: int, seconds: float) -> None:
    """Messages a second, and how long one takes."""
    talks = [Talk(design, room) for room in range(rooms)]
    try:
        await talks[0].open()
        if design.alone_first:
            for socket in talks[0].sockets:
                await hears_itself(design, socket)
                socket.forget()
        for start in range(1, rooms, AT_ONCE):
            await asyncio.gather(*(talk.open() for talk in talks[start : start + AT_ONCE]))
        await asyncio.sleep(0.5)
        with Meter(design.pod, run) as meter:
            begun = time.perf_counter()
            for talk in talks:
                talk.running = True
                talk.speak()
            await asyncio.sleep(seconds)
            for talk in talks:
                talk.running = False
            took = time.perf_counter() - begun
            meter.stop()
            sockets = [talk.sockets[side] for side in (0, 1) for talk in talks]
            await all_arrived(sockets, [len(talk.sent) for talk in talks] * 2)
        counted = count(sockets, [talk.sent for talk in talks])
        run.take(counted)
        if counted.whole:
            messages = sum(len(talk.sent) for talk in talks)
            run.figures["messages_per_s"] = messages / took
            run.figures["worker_us_per_message"] = (
                sum(run.cpu.get(role, 0.0) for role in design.workers) / messages * 1e6
            )
    finally:
        close_all([socket for talk in talks for socket in talk.sockets])


def cases(quick: bool) -> list[Case]:
    seconds = 3.0 if quick else SECONDS
    measure = functools.partial(closed_loop, rooms=ROOMS, seconds=seconds)
    return [Case(f"{ROOMS} rooms of 2", measure)]


MANY_ROOMS = Scenario(
    "rooms",
    "Many rooms of two, each answering the other",
    ("chatire", "bare", "bare-durable", "tutorial", "redis-core", "redis-pubsub", "socketio",
     "chatire-nginx"),
    cases,
)  # fmt: skip
