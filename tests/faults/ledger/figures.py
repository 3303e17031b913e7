"""How long things took: from commit to sight, without a socket, until a cut was noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.books import Books, Reader
from ledger.verdict import Truth


@dataclass(frozen=True)
class Span:
    """The fault's place in time: when it began, from when on sight counts, when all was whole."""

    began: float
    counts: float
    whole: float


@dataclass(frozen=True)
class Spread:
    """Of a number of measurements in seconds."""

    count: int
    p50: float
    p95: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        if not values:
            return cls(0, 0.0, 0.0, 0.0)
        values.sort()
        last = len(values) - 1
        # The rank is rounded up: of twenty values, the 95th percentile is the most.
        p95 = values[min(last, int(len(values) * 0.95))]
        return cls(len(values), values[last // 2], p95, values[last])

    def json(self) -> dict[str, float]:
        return {
            "count": self.count,
            "p50": round(self.p50, 3),
            "p95": round(self.p95, 3),
            "max": round(self.most, 3),
        }


@dataclass(frozen=True)
class Figures:
    """The times of one run; those of a fault are empty where there was none."""

    sight: Spread  # every message at every member
    fault_sight: Spread  # of messages around the fault, at those whom it concerned
    away: Spread  # from a socket's end to the next one's readiness
    notice: Spread  # from the fault to the socket's end, where sockets ended
    acked: Spread  # from the wish to send to the acknowledgement

    def json(self) -> dict[str, Any]:
        return {name: getattr(self, name).json() for name in self.__dataclass_fields__}


def measure(truth: Truth, books: Books, span: Span | None) -> Figures:
    """Measure a run. Messages that came by HTTP after a reset count like any other."""
    members = [reader for reader in books.readers if reader.kind == "member"]
    sight: list[float] = []
    around: list[float] = []
    concerned = _concerned(members, span) if span else []
    for reader in members:
        hit = span is not None and reader in concerned
        for row in truth[reader.room]:
            seen = reader.seen_at(row.seq)
            if not seen:
                continue
            sight.append(max(0.0, seen - row.at))
            if hit and span and span.began - 1 <= row.at <= span.whole and seen >= span.began:
                around.append(max(0.0, seen - max(row.at, span.counts)))
    cuts = [cut for reader in members for cut in reader.cuts]
    return Figures(
        sight=Spread.of(sight),
        fault_sight=Spread.of(around),
        away=Spread.of([cut.back - cut.at for cut in cuts if cut.back is not None]),
        notice=Spread.of(
            [cut.at - span.began for cut in cuts if span and span.began <= cut.at <= span.whole]
        ),
        acked=Spread.of([s.acked - s.wanted for s in books.sent if s.acked is not None]),
    )


def _concerned(members: list[Reader], span: Span) -> set[Reader]:
    """Those who lost their socket by the fault; all of them where nobody did."""
    cut = {
        reader
        for reader in members
        if any(span.began <= each.at <= span.whole for each in reader.cuts)
    }
    return cut or set(members)
