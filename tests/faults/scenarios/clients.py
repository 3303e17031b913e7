"""Clients that read nothing, and clients that come all at once."""

from __future__ import annotations

import asyncio
import itertools
import time

from breaking.readers import stalled
from ledger.books import Reader
from ledger.client import Client
from ledger.http import Unreachable
from ledger.people import Person
from ledger.run import Ledger
from ledger.traffic import Size
from scenario import Run, scenario

# Sockets that read nothing, and what may wait for each in a worker (CHATIRE_WS_OUTBOX_BYTES).
STALLED = 60
OUTBOX_BYTES = 2**20
# Beside it: uvicorn's own buffer, the frames under way.
SLACK_BYTES = 96 * 2**20
# A message as long as any.
LONGEST = "m" * 2000
FLOOD_SECONDS = 25.0
STORM, STORM_CLIENTS = 2000, 60


@scenario(
    "stalled-readers",
    "sixty sockets of one busy room stop reading",
    within=20,
    seconds=70,
    slow=True,
    goals={"fault_sight.p95": 3.0},
)
def stalled_readers(run: Run) -> None:
    """The room goes on, and memory stays within what they may hold, whoever else buffers.

    When one is closed is held by app/tests/realtime/test_limits.py: here the kernel's buffers and
    nginx's take more than a busy room says in half a minute.
    """
    traffic = run.ledger.traffic
    person, room = traffic.people.members[0], traffic.rooms[0]
    before = memory(run)
    with stalled(person, room, STALLED) as readers:
        run.fault()
        flood = Flood(person, room)
        run.ledger.loop.start(flood.run(FLOOD_SECONDS))
        most = before
        while not flood.done:
            most = max(most, memory(run))
            run.pause(0.5)
        run.say(f"{flood.stored} long messages; the ws tier grew by {(most - before) >> 20} MiB")
        codes = {each.ended(within=0.1) for each in readers}
    run.expect(codes <= {0, 4429, 1006}, f"closed with {sorted(codes)}, expected 4429 or not")
    bound = STALLED * OUTBOX_BYTES + SLACK_BYTES
    run.expect(most - before < bound, f"the ws tier grew by {(most - before) >> 20} MiB")
    run.healed()


class Flood:
    """Long messages from eight senders at once, beside the ledger's."""

    def __init__(self, person: Person, room: str) -> None:
        self._person = person
        self._path = f"/api/chats/{room}/messages/"
        self.stored = 0
        self.done = False

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._send(end) for _ in range(8)))
        self.done = True

    async def _send(self, end: float) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            # No two alike: the ledger takes two of the same text for one that is doubled.
            text = f"{id(self)} {id(asyncio.current_task())} {number} {LONGEST}"[:2000]
            try:
                answer = await self._person.http.request(
                    "POST", self._path, token=self._person.access, body={"message": text}
                )
            except Unreachable:
                continue
            if answer.status == 201:
                self.stored += 1
            else:
                await asyncio.sleep(max(0.2, answer.retry_after))


def memory(run: Run) -> int:
    """What the ws workers hold for themselves, in bytes."""
    return sum(process.private for process in run.stack.ws_workers())


@scenario(
    "reconnect-storm",
    "2,000 sockets are hung up and opened anew at the same moment, each of them resumes",
    within=45,
    seconds=120,
    slow=True,
    size=Size(rooms=10, clients=STORM_CLIENTS, rate=40.0),
)
def reconnect_storm(run: Run) -> None:
    """No worker falls over, and nobody is left outside."""
    traffic = run.ledger.traffic
    # As much smaller as all traffic is, where that was asked for.
    storm = STORM * run.ledger.size.clients // STORM_CLIENTS
    run.say(f"{storm} more sockets are opened")
    run.ledger.loop.call(crowd(run.ledger, storm), 240)
    run.pause(2)
    # They stay open to the end, for whoever has gone would count as away.
    run.prepared()
    run.fault()
    run.ledger.drop()
    run.until(lambda: traffic.away > storm // 2, "the storm begins", 10)
    run.until(lambda: not traffic.away, "everybody is back", 60)
    run.figure("all back after", time.time() - run.began)
    run.healed()


async def crowd(ledger: Ledger, count: int) -> None:
    """Further members' sockets, which count like all others."""
    traffic = ledger.traffic
    people = itertools.cycle(traffic.people.members)
    rooms = itertools.cycle(traffic.rooms)
    gate = asyncio.Semaphore(50)
    clients = []
    for number in range(count):
        reader = Reader(f"crowd {number}", next(rooms))
        client = Client(next(people), reader, traffic.books)
        traffic.clients.append(client)
        traffic.books.readers.append(reader)
        clients.append(client)
    await asyncio.gather(*(traffic._opened(client, gate) for client in clients))
