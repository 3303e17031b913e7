"""Whether what a stack holds after a fault is what it held before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median_high as median
from typing import NamedTuple

from stack import Readings

MIB = 2**20

# A process that was killed starts small and grows again; one that served a storm keeps some of its
# arenas. What leaks grows with each fault, and a soak shows that.
MEMORY_FACTOR = 1.3
MEMORY_SLACK = 48 * MIB
# Pools grow to their size when traffic comes in bursts: 8 threads and a flusher for an http
# replica, 6 and two listeners for a ws replica; twice each.
CONNECTIONS_SLACK = 20
FILES_FACTOR = 1.5
FILES_SLACK = 100
# Rows of a dead worker stay for its lease of a minute; a few hundred messages of the layer wait
# for the janitor. So does a row for each client that has come back within the last minute, which
# told another worker of it.
ROWS_SLACK = 500
# Over many readings single ones decide nothing, so memory may grow by less.
TREND_FACTOR = 1.25
TREND_SLACK = 32 * MIB


def descriptors(of: Readings) -> dict[str, int]:
    """Those that each service has open in all; of PostgreSQL its fullest process's.

    A session opens a table's files when it first comes to it: how many there are in all goes by how
    young the sessions are, and sessions are counted as connections.
    """
    return {**of.files, "postgres": of.fullest.get("postgres", 0)}


def compare(before: Readings, after: Readings, clients: int) -> list[str]:
    """What did not return to where it was, in a run of so many clients."""
    found = []
    for service, held in after.memory.items():
        was = before.memory.get(service, 0)
        if held > was * MEMORY_FACTOR + MEMORY_SLACK:
            found.append(f"memory of {service}: {held >> 20} MiB, was {was >> 20} MiB")
    held_before = descriptors(before)
    for service, held in descriptors(after).items():
        was = held_before.get(service, 0)
        if held > was * FILES_FACTOR + FILES_SLACK:
            found.append(f"open files of {service}: {held}, were {was}")
    if after.connections > before.connections + CONNECTIONS_SLACK:
        found.append(f"connections: {after.connections}, were {before.connections}")
    if after.advisory_locks > before.advisory_locks:
        found.append(f"advisory locks: {after.advisory_locks}, were {before.advisory_locks}")
    for table, rows in after.rows.items():
        was = before.rows.get(table, 0)
        if rows > was + ROWS_SLACK + clients:
            found.append(f"rows of {table}: {rows}, were {was}")
    return found


class Trend(NamedTuple):
    """What something was in the first third of a run and in the last, and what it may be there."""

    what: str
    first: float
    last: float
    bound: float


def trends(readings: Sequence[Readings]) -> Iterator[Trend]:
    """Memory, descriptors and connections, by medians of each third: a leak grows all the time."""
    for name in readings[0].memory:
        held = [each.memory.get(name, 0) for each in readings]
        yield _trend(f"MiB of {name}", held, TREND_FACTOR, TREND_SLACK, MIB)
        if name != "postgres":
            held = [each.files.get(name, 0) for each in readings]
            yield _trend(f"descriptors of {name}", held, FILES_FACTOR, FILES_SLACK)
        # Where one process has the most: a leak of one may hide behind the others.
        held = [each.fullest.get(name, 0) for each in readings]
        yield _trend(f"descriptors of one process of {name}", held, FILES_FACTOR, FILES_SLACK)
    held = [each.connections for each in readings]
    yield _trend("connections to PostgreSQL", held, 1, CONNECTIONS_SLACK)


def _trend(what: str, held: list[int], factor: float, slack: float, unit: int = 1) -> Trend:
    third = len(held) // 3
    first, last = median(held[:third]), median(held[-third:])
    return Trend(what, first / unit, last / unit, (first * factor + slack) / unit)
