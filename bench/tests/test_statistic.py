"""Quantiles, medians, and accounts of processor time."""

from __future__ import annotations

import pytest

from load.statistic import latencies, medians, quantile
from processes import Process, spent


def test_quantiles_are_values_that_were_measured() -> None:
    ordered = [float(n) for n in range(1, 101)]
    assert quantile(ordered, 0.5) == 50
    assert quantile(ordered, 0.9) == 90
    assert quantile(ordered, 0.99) == 99
    assert quantile(ordered, 1.0) == 100
    assert quantile([5.0], 0.5) == 5
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_latencies_are_in_milliseconds_whatever_the_order() -> None:
    assert latencies([0.003, 0.001, 0.002]) == {"p50": 2.0, "p90": 3.0, "p99": 3.0, "max": 3.0}
    assert latencies([]) == {}


def test_the_median_is_of_each_figure_by_itself() -> None:
    runs = [{"a": 1.0, "b": 9.0}, {"a": 3.0, "b": 7.0}, {"a": 2.0}]
    assert medians(runs) == {"a": 2.0, "b": 8.0}


def process(role: str, seconds: float, ended: float = 0.0) -> Process:
    return Process(role, role, seconds, ended, 0)


def test_a_process_that_ends_in_between_is_counted_once() -> None:
    before = {1: process("db", 1.0), 2: process("db", 4.0), 3: process("ws", 2.0)}
    # Number 2 used another second, ended, and its parent took over its account.
    after = {1: process("db", 1.5, ended=5.0), 3: process("ws", 2.25)}
    assert spent(before, after) == {"db": 1.5, "ws": 0.25}
