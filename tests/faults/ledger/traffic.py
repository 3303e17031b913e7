"""The traffic of one run: rooms, sockets, senders at a steady rate. Runs on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ledger.books import Books, Reader
from ledger.client import Client
from ledger.http import Unreachable
from ledger.people import People, Person

# What a person may be seen to send at most; more senders share the rate.
PER_SENDER = 4.0
# So many handshakes are under way at once while a run begins.
OPENING = 50
# What nobody asked for comes within this of the last message.
AFTERWARDS_SECONDS = 0.5


@dataclass(frozen=True)
class Size:
    """How much goes on: rooms, sockets in all, messages a second in all."""

    rooms: int = 5
    clients: int = 100
    rate: float = 100.0
    # Every so many senders use their socket; the others post over HTTP.
    socket_share: float = 0.5


class Traffic:
    """Everybody in their rooms, with sockets, talking."""

    def __init__(self, people: People, size: Size) -> None:
        self.people = people
        self.size = size
        self.books = Books()
        self.clients: list[Client] = []
        self.rooms: list[str] = []
        self._numbers = itertools.count(1)
        self._run: list[asyncio.Task[None]] = []
        self._senders: list[asyncio.Task[None]] = []
        self._talking = asyncio.Event()

    # --- beginning ---------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the rooms, fill them, and wait until every member's socket is ready."""
        owner = self.people.members[0]
        for _ in range(self.size.rooms):
            uri = (await owner.persist("POST", "/api/chats/", ok=201))["uri"]
            self.rooms.append(uri)
            path = f"/api/chats/{uri}/"
            inside = self.people.members[1:]
            if uri == self.rooms[0]:
                inside = inside + self.people.removed
            for person in inside:
                await person.persist("PATCH", path, {"username": person.username})
        places = zip(
            range(self.size.clients),
            itertools.cycle(self.rooms),
            itertools.cycle(self.people.members),
            strict=False,
        )
        for number, uri, person in places:
            self._add(person, Reader(f"client {number}", uri))
        for person in self.people.removed:
            self._add(person, Reader(person.username[-8:], self.rooms[0], "removed"))
        self._add(self.people.outsider, Reader("outsider", self.rooms[0], "outsider"))
        gate = asyncio.Semaphore(OPENING)
        await asyncio.gather(*(self._opened(client, gate) for client in self.clients))
        for person in self.people.everybody:
            self._keep(person.keep_signed_in(self._renewed), person.username)

    def _add(self, person: Person, reader: Reader) -> None:
        client = Client(person, reader, self.books)
        self.clients.append(client)
        self.books.readers.append(reader)

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(partial(self._ended, name))
        self._run.append(task)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """A ledger that counts with fewer clients than it says proves nothing."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.books.broken.add(f"{name}: {error!r}")

    async def _opened(self, client: Client, gate: asyncio.Semaphore) -> None:
        async with gate:
            self._keep(client.stay(), client.reader.name)
            # Looks, for what it waits for has no event of its own.
            while not (client.reader.connected or client.reader.refusals):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _renewed(self, person: Person) -> None:
        for client in self.clients:
            if client.person is person:
                await client.renewed()

    # --- talking -----------------------------------------------------------------------------

    def talk(self) -> None:
        """Let the senders send, until `hush`."""
        self._talking.set()
        if self._senders:
            return
        members = [client for client in self.clients if client.reader.kind == "member"]
        wanted = min(len(members), max(len(self.rooms), int(self.size.rate / PER_SENDER)))
        step = max(1, len(members) // wanted)
        sockets = 0.0
        for number, client in enumerate(members[::step][:wanted]):
            sockets += self.size.socket_share
            over: Literal["http", "ws"] = "ws" if sockets >= 1 else "http"
            sockets -= sockets >= 1
            task = asyncio.create_task(self._send(client, over, number / wanted))
            task.add_done_callback(partial(self._ended, client.reader.name))
            self._senders.append(task)
        self._beat = wanted / self.size.rate

    async def _send(self, client: Client, over: Literal["http", "ws"], phase: float) -> None:
        """One sender: a message each beat, the next one when the last is acknowledged."""
        await asyncio.sleep(phase * self._beat)
        due = time.monotonic()
        while True:
            await self._talking.wait()
            await client.say(f"message {next(self._numbers)}", over)
            # Beats that went by in an outage are not made up for.
            due = max(due + self._beat, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    def hush(self) -> None:
        """No new messages; those that are not acknowledged yet are still tried."""
        self._talking.clear()

    async def remove(self, number: int) -> None:
        """The owner of the first room removes one of the two; repeated until it is done."""
        person, owner = self.people.removed[number], self.people.members[0]
        path = f"/api/chats/{self.rooms[0]}/members/{person.username}/"
        theirs = [
            reader
            for reader in self.books.readers
            if reader.kind == "removed" and reader.name == person.username[-8:]
        ]
        for reader in theirs:
            reader.removal_asked = True
        while True:
            with contextlib.suppress(Unreachable):
                answer = await owner.http.request("DELETE", path, token=owner.access)
                # 404: an answer that got lost had been a yes.
                if answer.status in (204, 404):
                    break
                if answer.status == 401:
                    await owner.renew(owner.access)
            await asyncio.sleep(0.5)
        for reader in theirs:
            reader.removed(time.time())

    # --- looking -----------------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        return sum(sent.acked is None for sent in self.books.sent)

    @property
    def away(self) -> int:
        """Members without a ready socket."""
        return sum(not r.connected for r in self.books.readers if r.kind == "member")

    def behind(self, until: float = math.inf, last: int | None = None) -> int:
        """Members who have not seen the newest message of their room that was acknowledged by then.

        Of the `last` that were sent, else of all.
        """
        newest: Counter[str] = Counter()
        for sent in self.books.sent if last is None else self.books.sent[-last:]:
            if sent.acked and sent.acked < until and not self.books.is_void(sent.acked):
                newest[sent.room] = max(newest[sent.room], sent.seq)
        return sum(
            reader.last < newest[reader.room]
            for reader in self.books.readers
            if reader.kind == "member"
        )

    async def settle(self, within: float) -> None:
        """Hush, and wait until all is answered and seen, or time is up."""
        self.hush()
        deadline = time.monotonic() + within
        while True:
            # Looks, for what it waits for has no event of its own.
            while self.restless and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            # A duplicate or a leak would come right behind.
            await asyncio.sleep(AFTERWARDS_SECONDS)
            # A worker that restarts just then has cut sockets, which are on their way back.
            if not self.restless or time.monotonic() >= deadline:
                return

    @property
    def restless(self) -> bool:
        """Whether something is unanswered, unseen, or somebody away."""
        return bool(self.unanswered or self.away or self.behind())

    async def close(self) -> None:
        """Close every socket."""
        for task in self._senders:
            task.cancel()
        await asyncio.gather(*(client.stop() for client in self.clients), return_exceptions=True)
        for task in self._run:
            task.cancel()
        await asyncio.gather(*self._senders, *self._run, return_exceptions=True)
