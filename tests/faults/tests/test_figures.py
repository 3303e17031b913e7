"""What a percentile is."""

from __future__ import annotations

from ledger.figures import Spread


def test_the_95th_percentile_of_twenty_is_the_most() -> None:
    assert Spread.of([float(number) for number in range(20)]).p95 == 19


def test_of_a_hundred_it_is_the_one_that_five_reach() -> None:
    assert Spread.of([float(number) for number in range(100, 0, -1)]).p95 == 96


def test_of_one_it_is_that_one() -> None:
    assert Spread.of([3.0]) == Spread(1, 3.0, 3.0, 3.0)
