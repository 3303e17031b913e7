"""Quantiles and medians, of what a run has measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

LATENCIES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie (nearest rank).

    Raises ValueError when there are none.
    """
    if not ordered:
        raise ValueError("no values")
    rank = max(1, -(-len(ordered) * round(share * 10_000) // 10_000))
    return ordered[min(rank, len(ordered)) - 1]


def latencies(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p90, p99 and max in milliseconds; empty when there is nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {name: quantile(ordered, share) * 1000 for name, share in LATENCIES.items()}


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: statistics.median([run[name] for run in runs if name in run]) for name in names}
