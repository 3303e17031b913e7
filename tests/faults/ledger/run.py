"""A ledger in a thread of its own, for programs that do other things meanwhile."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from ledger.figures import Figures, Span, measure
from ledger.http import Http, trust
from ledger.people import People
from ledger.traffic import Size, Traffic
from ledger.truth import Source, by_http, by_sql
from ledger.verdict import Truth, Verdict, judge

T = TypeVar("T")

# Signing up, opening sockets: no fault is on while this happens.
BEGIN_SECONDS = 120.0
SETTLE_SECONDS = 30.0
# Reading all that was sent back over HTTP, 200 messages a request.
HISTORY_SECONDS = 300.0
# For the loop's thread to end with the program.
END_SECONDS = 5.0
# A look at a run that goes on takes in this many messages, the last ones.
RECENT = 2000


class Loop:
    """An event loop in a thread; `call` runs a coroutine there and waits for its result."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger", daemon=True)
        self._thread.start()
        # A thread that still runs uvloop while the interpreter is taken down may crash it.
        atexit.register(self._end)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_SECONDS)

    def call(self, coroutine: Coroutine[Any, Any, T], within: float | None = None) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(within)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def soon(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    stored: int
    acked: int
    truth: Source
    seconds: float
    size: Size
    verdict: Verdict
    figures: Figures
    retried: dict[str, int]
    resent: int
    resets: int
    cuts: dict[int, int]

    @property
    def clean(self) -> bool:
        """No violation; and something was counted, for nothing sent proves nothing."""
        return self.acked > 0 and self.verdict.clean

    def json(self) -> dict[str, Any]:
        return {
            "stored": self.stored,
            "acked": self.acked,
            "truth": self.truth,
            "seconds": round(self.seconds, 1),
            "rooms": self.size.rooms,
            "clients": self.size.clients,
            "violations": self.verdict.json(),
            "figures": self.figures.json(),
            "retried": self.retried,
            "resent": self.resent,
            "resets": self.resets,
            "cuts": {str(code): count for code, count in self.cuts.items()},
        }


class Ledger:
    """One run: open, talk, settle, judge. Every method may be called from any thread."""

    def __init__(self, loop: Loop, people: People, size: Size) -> None:
        self.loop = loop
        self.traffic: Traffic = loop.call(_made(people, size))
        self.size = size
        self._began = time.time()
        self._resent_before = people.http.resent

    def begin(self) -> None:
        """Open everybody's socket and let them talk."""
        self.loop.call(self.traffic.open(), BEGIN_SECONDS)
        self._began = time.time()
        self.loop.soon(self.traffic.talk)

    def remove(self, number: int) -> None:
        """Remove one of the two who are to be removed (0 or 1), in the background."""
        self.loop.start(self.traffic.remove(number))

    def drop(self, share: float = 1.0) -> None:
        """Clients hang up at once, without a word; they come back by themselves."""
        clients = self.traffic.clients[: int(len(self.traffic.clients) * share)]

        def hang_up() -> None:
            for client in clients:
                if client.connection is not None:
                    client.connection.drop()

        self.loop.soon(hang_up)

    def cuts(self, since: float) -> Counter[int]:
        """How members' sockets have ended since then: how many by each code."""
        members = [reader for reader in self.traffic.books.readers if reader.kind == "member"]
        return Counter(cut.code for each in members for cut in each.cuts if cut.at >= since)

    @property
    def acked(self) -> int:
        return sum(sent.acked is not None for sent in self.traffic.books.sent)

    @property
    def resent(self) -> int:
        """Requests of this run that a closing connection swallowed, and were sent once more."""
        return self.traffic.people.http.resent - self._resent_before

    def whole(self) -> bool:
        """Whether every member has a socket and has seen what was acknowledged until just now."""
        traffic = self.traffic
        late = time.time() - 3.0
        waiting = any(
            sent.acked is None and sent.wanted < late for sent in traffic.books.sent[-RECENT:]
        )
        return not traffic.away and not waiting and not traffic.behind(late, RECENT)

    @property
    def line(self) -> str:
        """How it goes, in a few words."""
        traffic = self.traffic
        return (
            f"{len(traffic.books.sent)} sent, {traffic.unanswered} open,"
            f" {traffic.away} away, {sum(len(r.cuts) for r in traffic.books.readers)} cuts"
        )

    def settle(self, within: float = SETTLE_SECONDS) -> None:
        self.loop.call(self.traffic.settle(within))

    def close(self) -> None:
        self.loop.call(self.traffic.close(), 60)

    def judge(self, query: Callable[[str], str] | None = None, span: Span | None = None) -> Result:
        """Compare with the table, through SQL or (without `query`) over HTTP. After `settle`."""
        traffic = self.traffic
        truth: Truth
        source: Source
        if query is None:
            reader = traffic.people.members[0]
            source, truth = "api", self.loop.call(by_http(reader, traffic.rooms), HISTORY_SECONDS)
        else:
            source, truth = "database", by_sql(query, traffic.rooms)
        books = traffic.books
        return Result(
            stored=sum(map(len, truth.values())),
            acked=self.acked,
            truth=source,
            seconds=time.time() - self._began,
            size=self.size,
            verdict=judge(truth, books),
            figures=measure(truth, books, span),
            retried=dict(books.retried),
            resent=self.resent,
            resets=sum(reader_.resets for reader_ in books.readers),
            cuts=self.cuts(0),
        )


async def _made(people: People, size: Size) -> Traffic:
    return Traffic(people, size)


def gather(loop: Loop, url: str, members: int, ca: str | None = None) -> People:
    """Make the accounts of a run; `smoke_cleanup --prefix` removes them by `people.prefix`."""
    return loop.call(People.gather(Http(url, trust(url, ca)), members), BEGIN_SECONDS)
