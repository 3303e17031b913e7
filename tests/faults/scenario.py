"""What a scenario is, and what it is given.

A scenario is a function in a module of `scenarios/`:

    @scenario("ws-kill", "kill -9 of a ws worker", within=15, restarts={"ws"})
    def ws_kill(run: Run) -> None:
        worker = run.stack.ws_workers()[0]
        run.fault(run.stack.signal(worker, signal.SIGKILL))

It injects the fault and, where that does not heal by itself, heals it. The ledger's traffic goes
on all the while. Before it the runner waits for a whole stack and reads what it holds; after it,
it waits until all is whole again, compares, settles the traffic and judges the books.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from composed import Composed
from ledger.run import Ledger
from ledger.traffic import Size
from stack import Container, Readings, Stack

T = TypeVar("T")

# An unready process says so this soon after it went deaf, stuck or without its database.
TELL_SECONDS = 10.0
# The agent samples every half second, and waits 2 s for an answer.
SAMPLE_SECONDS = 2.5


class Broken(Exception):
    """A scenario could not go on: what was expected, and what was there instead."""


@dataclass
class Run:
    """One scenario under way."""

    stack: Stack
    ledger: Ledger
    say: Callable[[str], None]
    began: float = 0.0
    counts: float = 0.0
    failures: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    # What the stack held before; read anew by a scenario that prepares something first.
    before: Readings | None = None
    undo: list[Callable[[], object]] = field(default_factory=list)
    # Tries that had failed before this fault, where one run has several.
    earlier: Counter[str] = field(default_factory=Counter)

    @property
    def compose(self) -> Composed:
        """The stack, where the scenario is for containers only; raises Broken elsewhere."""
        if not isinstance(self.stack, Composed):
            raise Broken("this scenario is for containers only, and did not say so")
        return self.stack

    def fault(self, at: float | None = None) -> float:
        """The fault is on, as of now or `at`; from now on times are the fault's. Returns when."""
        self.began = self.counts = at or time.time()
        self.ledger.remove(1)
        return self.began

    def prepared(self) -> None:
        """What the stack holds now is what it has to hold again after the fault."""
        self.before = self.stack.readings()
        self.earlier = self.ledger.traffic.books.retried.copy()

    def healed(self, at: float | None = None) -> float:
        """The fault is over, as of now or `at`: from then on sight and recovery count."""
        self.counts = at or time.time()
        return self.counts

    def pause(self, seconds: float) -> None:
        """Let traffic go on for a while."""
        time.sleep(seconds)

    def pause_until(self, moment: float) -> None:
        """The same, up to a moment in seconds since 1970."""
        time.sleep(max(0.0, moment - time.time()))

    def until(self, true: Callable[[], T], what: str, within: float) -> T:
        """Ask again until the answer is truthy; returns it, raises Broken with `what`."""
        deadline = time.monotonic() + within
        while True:
            answer = true()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise Broken(f"{what}: not within {within:g} s; last {answer!r}")
            time.sleep(0.1)

    def expect(self, true: object, what: str) -> None:
        """A condition of this scenario; what is not so is reported, and the scenario goes on."""
        if not true:
            self.failures.append(what)

    def figure(self, name: str, value: float, goal: float | None = None) -> None:
        """A number for the report (seconds unless the name says otherwise), held to a goal."""
        self.figures[name] = round(value, 3)
        if goal is not None:
            self.expect(value <= goal, f"{name} is {value:.3g}, the goal is {goal:g}")

    def expect_unready(self, containers: Iterable[Container], within: float = TELL_SECONDS) -> None:
        """Wait until each of these has said (or shown by silence) that it is not ready.

        Counted from `fault`; notes how long it took. What stays ready is a failure.
        """
        for container in containers:
            deadline = self.began + within + SAMPLE_SECONDS
            told: float | None = None
            while told is None and time.time() < deadline:
                samples = self.stack.watch.samples(self.began, None, container.id)
                told = next((each.at + each.took for each in samples if not each.ready), None)
                time.sleep(0.1)
            if told is None:
                self.failures.append(f"{container} said it was ready {within:g} s into the fault")
            else:
                self.figure(f"{container} told after", told - self.began, within)

    def expect_ready(self, containers: Iterable[Container], since: float | None = None) -> None:
        """These have been ready all along since the fault began (or `since`)."""
        for container in containers:
            samples = self.stack.watch.samples(since or self.began, None, container.id)
            bad = [each for each in samples if not each.ready]
            self.expect(samples, f"{container} was never asked how it is")
            if bad:
                self.failures.append(
                    f"{container} was unready {len(bad)} times: {bad[0].status} {bad[0].said[:150]}"
                )

    def finally_(self, undo: Callable[[], object]) -> None:
        """To be called when the scenario ends, however it ends; last first."""
        self.undo.append(undo)


@dataclass(frozen=True)
class Scenario:
    """A named fault and what is promised about it."""

    name: str
    title: str
    function: Callable[[Run], None]
    # Whole again so many seconds after the fault, or after it was healed by the scenario.
    within: float
    # Seconds it takes about, for people who wait.
    seconds: float
    slow: bool
    size: Size
    # Services whose containers may end and be started again by the engine.
    restarts: frozenset[str]
    # Bounds of figures, by path: {"fault_sight.p95": 3.0, "away.p95": 2.0}
    goals: Mapping[str, float]
    # May run on a stack with somebody's data: nothing but processes and connections are touched.
    harmless: bool
    settle: float
    # Only where it is named: it takes longer than all the others together.
    alone: bool
    # Why it is left out on servers; empty where it makes sense there as well.
    compose_only: str


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str,
    title: str,
    *,
    within: float,
    seconds: float = 20.0,
    slow: bool = False,
    size: Size | None = None,
    restarts: Iterable[str] = (),
    goals: Mapping[str, float] | None = None,
    harmless: bool = False,
    settle: float = 30.0,
    alone: bool = False,
    compose_only: str = "",
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Register a scenario; those that are not `slow` run in `make test`.

    It runs on servers as well, unless `compose_only` says why not.
    """

    def register(function: Callable[[Run], None]) -> Callable[[Run], None]:
        assert name not in SCENARIOS, f"two scenarios are called {name}"
        SCENARIOS[name] = Scenario(
            name=name,
            title=title,
            function=function,
            within=within,
            seconds=seconds,
            slow=slow,
            size=size or Size(),
            restarts=frozenset(restarts),
            goals=goals or {},
            harmless=harmless,
            settle=settle,
            alone=alone,
            compose_only=compose_only,
        )
        return function

    return register
