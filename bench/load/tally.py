"""What was sent against what has arrived: lost, doubled, leaked into another room, and how late.

A message carries its number as `~0000012~`, whatever a design wraps around it. Numbers are never
used twice in one process, so that what is left over from an earlier run is not counted.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

MARK = re.compile(rb"~(\d{7})~")
# What people write: the length that all designs are compared with.
TEXT_BYTES = 200

_numbers = itertools.count(1)


def texts(count: int, size: int = TEXT_BYTES) -> list[tuple[int, str]]:
    """The next messages to send: number and text."""
    taken = itertools.islice(_numbers, count)
    return [(number, f"~{number:07d}~".ljust(size, "x")) for number in taken]


def read(chunks: Sequence[bytes], times: Sequence[float]) -> list[tuple[int, float]]:
    """Return (number, time) of every message in a recorded stream, in the order of arrival.

    A message has arrived with the chunk that brings the end of its number.
    """
    ends = list(itertools.accumulate(len(chunk) for chunk in chunks))
    return [
        (int(match[1]), times[bisect_right(ends, match.end() - 1)])
        for match in MARK.finditer(b"".join(chunks))
    ]


@dataclass
class Tally:
    """What came of some messages to some sockets."""

    wanted: int = 0
    arrived: int = 0
    lost: int = 0
    doubled: int = 0
    leaked: int = 0
    first: float = float("inf")
    last: float = 0.0
    # Seconds from sending to each arrival.
    took: list[float] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether everything has arrived, once, and where it belongs."""
        return self.lost == 0 and self.doubled == 0 and self.leaked == 0

    def add(
        self,
        sent: dict[int, float],
        seen: Iterable[tuple[int, float]],
        everywhere: Container[int] = (),
    ) -> None:
        """Count one socket that should have seen every number of `sent` (number -> time).

        `everywhere` are the numbers of all rooms: those that are not in `sent` have leaked. Any
        other number is of a warm-up or an earlier run.
        """
        found: set[int] = set()
        for number, at in seen:
            begun = sent.get(number)
            if begun is None:
                self.leaked += number in everywhere
                continue
            if number in found:
                self.doubled += 1
                continue
            found.add(number)
            self.took.append(at - begun)
            self.last = max(self.last, at)
        self.wanted += len(sent)
        self.arrived += len(found)
        self.lost += len(sent) - len(found)
        if sent:
            self.first = min(self.first, min(sent.values()))

    def check(
        self,
        sent: dict[int, float],
        seen: Iterable[tuple[int, float]],
        everywhere: Container[int] = (),
    ) -> None:
        """The same for a socket whose deliveries and times are not what is measured."""
        other = Tally()
        other.add(sent, seen, everywhere)
        self.wanted += other.wanted
        self.lost += other.lost
        self.doubled += other.doubled
        self.leaked += other.leaked

    def join(self, other: Tally) -> None:
        """Add what was counted elsewhere; `first` and `last` then span both."""
        self.wanted += other.wanted
        self.arrived += other.arrived
        self.lost += other.lost
        self.doubled += other.doubled
        self.leaked += other.leaked
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.took += other.took

    @property
    def seconds(self) -> float:
        """From the first message sent to the last one received."""
        return self.last - self.first
