"""What a number of sockets and messages needs, from measured unit costs.

The laws, with W ws workers, `rate` messages a second in all, and rooms of `room` sockets:

    ws tier       W·idle + post(rate) + W·hear(rate) + min(W, room)·serve(rate) + rate·room·deliver
    PostgreSQL    store(rate) + W·wake(rate)
    http tier     post(rate)
    nginx         rate·room·forward
    memory        W·worker + sockets·socket

`W·hear` is the price of LISTEN/NOTIFY: every worker hears every message, whoever sits where.

Messages that come while others are on their way are stored and hinted at with each other. So what
is done for messages costs much for the first of those that go together, and less for each further
one; how many go together follows from how many a worker takes in the time that gathers them. What
comes over HTTP is a transaction a message, whose hints go together; it has costs of its own in the
http tier and in PostgreSQL, and a process that is busy takes the next one for less as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

COSTS = Path(__file__).with_name("costs.json")
# Beyond it, waiting grows faster than work: what a core may be planned for.
FULL = 0.6
# Each worker's default (CHATIRE_WS_MAX_SOCKETS), and half of what 20,000 open files allow nginx.
SOCKETS_A_WORKER = 10_000
SOCKETS_AN_NGINX_WORKER = 9_500
# One a replica, of which there are two unless one asks for more; fewer would gather more.
HTTP_PROCESSES = 2
# Messages a second beyond which nothing is looked for.
MOST = 1e9


@dataclass(frozen=True)
class Costs:
    """Measured by `make bench WHAT='costs idle …'`; what a unit of each thing takes."""

    # Microseconds of a core: for a message alone, the first of several, and for each further one.
    ws_post_us: float
    ws_post_more_us: float
    ws_hear_us: float
    ws_hear_more_us: float
    # Beside hearing, where sockets of the room are: what a notification costs whoever delivers it.
    ws_serve_us: float
    ws_deliver_us: float
    ws_idle_us_per_s: float
    http_post_us: float
    http_post_more_us: float
    postgres_store_us: float
    postgres_store_more_us: float
    postgres_wake_us: float
    # Over HTTP, with the question who posts and whether they are a member.
    http_store_us: float
    http_store_more_us: float
    nginx_forward_us: float
    ws_connect_us: float
    # Memory.
    ws_worker_mb: float
    ws_socket_kb: float
    nginx_socket_kb: float
    # Per stored message, in the write-ahead log; it includes the hint's share.
    wal_bytes: float
    # What comes to a worker within so long after a message goes with it.
    together_ms: float
    http_together_ms: float
    # The fastest that was seen, messages a second.
    room_limit: float
    database_limit: float
    # What these were measured on.
    machine: str = ""


@dataclass(frozen=True)
class Load:
    """What is asked: sockets in all, messages a second in all, sockets a room."""

    sockets: int
    rate: float
    room: int = 10
    # Share of the messages that come over HTTP; the page does so only while its socket is down.
    http_share: float = 0.0

    @property
    def deliveries(self) -> float:
        return self.rate * min(self.room, self.sockets)


@dataclass(frozen=True)
class Demand:
    """What it takes: cores (1.0 is one core, full), and megabytes."""

    workers: int
    ws_cores: float
    http_cores: float
    postgres_cores: float
    nginx_cores: float
    ws_mb: float
    nginx_mb: float
    wal_mb_per_s: float

    @property
    def cores(self) -> float:
        return self.ws_cores + self.http_cores + self.postgres_cores + self.nginx_cores


def read_costs(path: Path = COSTS) -> Costs:
    """The stored costs; raises OSError, ValueError."""
    known = {each.name for each in fields(Costs)}
    content = json.loads(path.read_text())["costs"]
    return Costs(**{name: value for name, value in content.items() if name in known})


def firsts(rate: float, together_ms: float, workers: int = 1) -> float:
    """Of `rate` messages a second, spread over workers: how many are the first of those that go
    together, so how many transactions and notifications there are."""
    return rate / (1 + rate / workers * together_ms / 1000)


def notifications(
    costs: Costs, load: Load, posted_at: int, http_processes: int = HTTP_PROCESSES
) -> tuple[float, float]:
    """How many are sent a second by so many ws workers, and by so many processes of the http tier;
    every worker hears all of them."""
    over_http = load.rate * load.http_share
    return (
        firsts(load.rate - over_http, costs.together_ms, posted_at),
        firsts(over_http, costs.http_together_ms, http_processes),
    )


def demand(
    costs: Costs,
    load: Load,
    workers: int,
    posted_at: int | None = None,
    http_processes: int = HTTP_PROCESSES,
) -> Demand:
    """What the load takes with so many ws workers, of which `posted_at` take messages (all)."""
    rate = load.rate
    over_http = rate * load.http_share
    by_ws = rate - over_http
    first, http_first = notifications(costs, load, posted_at or workers, http_processes)
    heard = first + http_first
    ws = (
        workers * costs.ws_idle_us_per_s
        + first * costs.ws_post_us
        + (by_ws - first) * costs.ws_post_more_us
        + workers * hearing_us(costs, rate, heard)
        + min(workers, load.room) * heard * costs.ws_serve_us
        + load.deliveries * costs.ws_deliver_us
    )
    http = http_first * costs.http_post_us + (over_http - http_first) * costs.http_post_more_us
    postgres = (
        first * costs.postgres_store_us
        + (by_ws - first) * costs.postgres_store_more_us
        + http_first * costs.http_store_us
        + (over_http - http_first) * costs.http_store_more_us
        + heard * workers * costs.postgres_wake_us
    )
    return Demand(
        workers,
        ws / 1e6,
        http / 1e6,
        postgres / 1e6,
        load.deliveries * costs.nginx_forward_us / 1e6,
        workers * costs.ws_worker_mb + load.sockets * costs.ws_socket_kb / 1024,
        load.sockets * costs.nginx_socket_kb / 1024,
        rate * costs.wal_bytes / 2**20,
    )


def hearing_us(costs: Costs, rate: float, heard: float) -> float:
    """What hearing takes of each worker a second, wherever the messages' sockets are."""
    return heard * costs.ws_hear_us + (rate - heard) * costs.ws_hear_more_us


def workers_needed(costs: Costs, load: Load, at_most: int = 64) -> int | None:
    """The fewest ws workers that carry the load, or None: hearing alone fills every worker."""
    for workers in range(max(1, math.ceil(load.sockets / SOCKETS_A_WORKER)), at_most + 1):
        if demand(costs, load, workers).ws_cores / workers <= FULL:
            return workers
    return None


def limits(costs: Costs, load: Load, workers: int, database_cores: int) -> list[tuple[str, float]]:
    """Messages a second at which each resource ends, for this shape of load; least first."""

    def need(rate: float) -> Demand:
        return demand(costs, replace(load, rate=rate), workers)

    def hearing(rate: float) -> float:
        heard = sum(notifications(costs, replace(load, rate=rate), workers))
        return hearing_us(costs, rate, heard) / 1e6

    found = [
        ("ws workers", _rate_of(lambda rate: need(rate).ws_cores, workers * FULL)),
        ("PostgreSQL", _rate_of(lambda rate: need(rate).postgres_cores, database_cores * FULL)),
        ("PostgreSQL's commits", costs.database_limit),
        (
            f"http tier, {HTTP_PROCESSES} processes",
            _rate_of(lambda rate: need(rate).http_cores, HTTP_PROCESSES * FULL),
        ),
        ("nginx, two workers", _rate_of(lambda rate: need(rate).nginx_cores, 2 * FULL)),
        ("one worker's hearing", _rate_of(hearing, FULL)),
    ]
    found = [(name, rate) for name, rate in found if rate < MOST]
    if load.sockets <= load.room:
        found.append(("one room's counter", costs.room_limit))
    return sorted(found, key=lambda each: each[1])


def _rate_of(cores: Callable[[float], float], budget: float) -> float:
    """The rate at which something that grows with it takes so many cores; by halving."""
    low, high = 0.0, 1.0
    while cores(high) < budget and high < MOST:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cores(middle) < budget else (low, middle)
    return low


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """The x ≥ 0 for which rows·x comes nearest to values, relatively; a few unknowns only.

    Weighted by 1/value, so that a small case counts as much as a large one. What comes out
    negative is left out and the rest solved again.
    """
    unknowns = list(range(len(rows[0])))
    while unknowns:
        weighted = [
            [row[n] / value for n in unknowns] for row, value in zip(rows, values, strict=True)
        ]
        size = len(unknowns)
        square = [
            [sum(row[i] * row[j] for row in weighted) for j in range(size)]
            + [sum(row[i] for row in weighted)]
            for i in range(size)
        ]
        solved = _solve(square)
        worst = min(range(size), key=solved.__getitem__)
        if solved[worst] >= 0:
            found = [0.0] * len(rows[0])
            for n, value in zip(unknowns, solved, strict=True):
                found[n] = value
            return found
        del unknowns[worst]
    return [0.0] * len(rows[0])


def misfit(
    rows: Sequence[Sequence[float]], values: Sequence[float], found: Sequence[float]
) -> float:
    """How far rows·found is from the values: the sum of the squares of what it is off by, of 1."""
    return sum(
        (sum(a * x for a, x in zip(row, found, strict=True)) / value - 1) ** 2
        for row, value in zip(rows, values, strict=True)
    )


def _solve(square: list[list[float]]) -> list[float]:
    """Gauss, with pivots; raises ZeroDivisionError where the rows do not tell unknowns apart."""
    size = len(square)
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(square[row][i]))
        square[i], square[pivot] = square[pivot], square[i]
        for row in range(size):
            if row != i:
                factor = square[row][i] / square[i][i]
                square[row] = [a - factor * b for a, b in zip(square[row], square[i], strict=True)]
    return [row[-1] / row[i] for i, row in enumerate(square)]


def write_costs(costs: Costs, measured: list[dict[str, float]], path: Path) -> None:
    """Store costs with the runs that they are held against."""
    content = {"costs": asdict(costs), "held against": measured}
    path.write_text(json.dumps(content, indent=1) + "\n")
