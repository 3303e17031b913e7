"""What chatire is held to: ratios within one run, so that the machine cancels out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from meter import Run
from results import Results

Middle = Mapping[tuple[str, str, str], Run]


class NotMeasured(Exception):
    """A figure that a ratio needs is not there; says which, and why."""


class LeftOut(NotMeasured):
    """It was not asked for."""


@dataclass(frozen=True)
class Goal:
    """One ratio. `bound` is its least value when `at_least`, else its greatest."""

    name: str
    ratio: Callable[[Middle], float]
    bound: float
    at_least: bool

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Verdict:
    """What became of a goal; without a value, `why` says what was missing.

    `full` holds the (scenario, case, design) of its runs in which the load generator was full.
    """

    goal: Goal
    value: float | None
    why: str = ""
    left_out: bool = False
    full: tuple[tuple[str, str, str], ...] = ()

    @property
    def text(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.goal.met(self.value) else "not met"

    @property
    def caution(self) -> str:
        """What a full load generator makes of the value."""
        if self.value is None or not self.full:
            return ""
        designs = dict.fromkeys(design for _, _, design in self.full)
        said = f"the load generator was full with {', '.join(designs)}"
        # Goals with a least value are of rates, and chatire's is the one above the line.
        return f"{said}: at least" if self.goal.at_least and set(designs) == {"chatire"} else said


def figure(middle: Middle, scenario: str, case: str, design: str, name: str) -> float:
    """One figure; raises NotMeasured."""
    run = middle.get((scenario, case, design))
    if run is None:
        raise LeftOut(f"{scenario} ({case}) has no run of {design}")
    if name not in run.figures:
        raise NotMeasured(f"{design} has no figure in {case}: {run.error}")
    return run.figures[name]


def between(
    scenario: str, case: str, name: str, one: str, *others: str, other_case: str = ""
) -> Callable[[Middle], float]:
    """How `one` stands to the best of `others`; those without a figure do not count."""

    def ratio(middle: Middle) -> float:
        mine = figure(middle, scenario, case, one, name)
        found, missing = [], None
        for other in others:
            try:
                found.append(figure(middle, scenario, other_case or case, other, name))
            except NotMeasured as error:
                missing = error
        if not found:
            raise missing or NotMeasured("nothing to compare with")
        return mine / max(found)

    return ratio


def history(middle: Middle) -> float:
    large = figure(middle, "history", "room of 1,000,000", "chatire", "p50")
    return large / figure(middle, "history", "room of 1,000", "chatire", "p50")


def nginx(middle: Middle) -> float:
    """What nginx takes off the deliveries, in the worst of the rooms, as a share."""
    return max(
        figure(middle, "nginx", f"burst {n}, in turn", "chatire-nginx", "nginx_share")
        for n in (100, 500, 1000)
    )


def _durable(case: str, other_case: str) -> Callable[[Middle], float]:
    """Messages/s of a durable publish against another's."""
    return between("durable", case, "messages_per_s", "chatire", "chatire", other_case=other_case)


def _idle(middle: Middle) -> float:
    case = next((key[1] for key in middle if key[0] == "idle"), "10000 sockets")
    return between("idle", case, "kb_per_socket", "chatire", "bare")(middle)


def _burst(sockets: int, *others: str) -> Callable[[Middle], float]:
    return between("fanout", f"burst {sockets}", "deliveries_per_s", "chatire", *others)


REDIS = ("redis-core", "redis-default", "redis-pubsub")
GOALS = (
    Goal("burst deliveries/s, 100 sockets : bare limit", _burst(100, "bare"), 1.5, True),
    Goal("burst deliveries/s, 500 sockets : bare limit", _burst(500, "bare"), 3, True),
    Goal("burst deliveries/s, 1,000 sockets : bare limit", _burst(1000, "bare"), 3, True),
    Goal("burst deliveries/s, 1,000 sockets : tutorial", _burst(1000, "tutorial"), 30, True),
    Goal("burst deliveries/s, 1,000 sockets : best channels_redis", _burst(1000, *REDIS), 30, True),
    Goal(
        "worker CPU a delivery, paced : bare limit",
        between("fanout", "paced 100", "worker_us_per_delivery", "chatire", "bare"),
        0.8,
        False,
    ),
    Goal(
        "p50 one after another, 10 sockets : bare limit, durable",
        between("fanout", "in turn 10", "p50", "chatire", "bare-durable"),
        1.5,
        False,
    ),
    Goal(
        "100 rooms of 2, messages/s : channels_redis pub/sub",
        between("rooms", "100 rooms of 2", "messages_per_s", "chatire", "redis-pubsub"),
        1.3,
        True,
    ),
    Goal(
        "durable publish, 100 rooms, hints : without hints",
        _durable("16 connections, 100 rooms, hints", "16 connections, 100 rooms, no hints"),
        0.8,
        True,
    ),
    Goal(
        "durable publish, one room, hints : one connection's commits",
        _durable("16 connections, one room, hints", "one connection, one room, no hints"),
        3,
        True,
    ),
    Goal(
        "HTTP posts/s, 16 clients : tutorial",
        between("http", "16 clients", "requests_per_s", "chatire", "tutorial"),
        5,
        True,
    ),
    Goal(
        "HTTP posts/s, 16 clients : bare inserting view",
        between("http", "16 clients", "requests_per_s", "chatire", "bare-view"),
        1,
        True,
    ),
    Goal("memory an idle socket : bare limit", _idle, 1.3, False),
    Goal("share of deliveries/s that nginx costs", nginx, 0.15, False),
    Goal("history page, 1,000,000 messages : 1,000", history, 1.2, False),
)


class _Every(dict[str, float]):
    """Figures of which none is missing."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> float:
        return 1.0


class _Asked(dict[tuple[str, str, str], Run]):
    """Results in which everything is found, and which note what was looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_asked: set[tuple[str, str, str]] = set()

    def get(self, key: Any, default: object = None) -> Run:
        self.keys_asked.add(key)
        scenario, case, design = key
        return Run(scenario, case, design, figures=_Every())


class _Noted(dict[tuple[str, str, str], Run]):
    """Results that note which of their runs were looked at."""

    def __init__(self, middle: Middle) -> None:
        super().__init__(middle)
        self.seen: dict[tuple[str, str, str], Run] = {}

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self:
            self.seen[key] = self[key]
        return super().get(key, default)


@cache
def needed() -> set[tuple[str, str, str]]:
    """The (scenario, case, design) that the goals are judged by."""
    asked = _Asked()
    for goal in GOALS:
        goal.ratio(asked)
    return asked.keys_asked


def judge(results: Results) -> list[Verdict]:
    """Hold the results against every goal."""
    middle = results.middle()
    verdicts = []
    for goal in GOALS:
        noted = _Noted(middle)
        try:
            value = goal.ratio(noted)
            full = tuple(key for key, run in noted.seen.items() if run.load_bound)
            verdicts.append(Verdict(goal, value, full=full))
        except NotMeasured as error:
            left_out = isinstance(error, LeftOut)
            verdicts.append(Verdict(goal, None, str(error), left_out))
    return verdicts
