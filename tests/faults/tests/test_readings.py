"""What a stack holds after a fault, and through a long run, against what it held before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from readings import MIB, compare, trends
from stack import Readings

CLIENTS = 100
BEFORE = Readings(
    memory={"ws": 100 * MIB},
    files={"ws": 200},
    fullest={"ws": 110},
    connections=30,
    advisory_locks=2,
    rows={"realtime_presence": 40},
)


def test_what_is_as_before_is_no_news() -> None:
    assert compare(BEFORE, BEFORE, CLIENTS) == []


def test_a_row_for_each_client_that_came_back_may_wait_for_the_janitor() -> None:
    after = replace(BEFORE, rows={"realtime_presence": 640})
    assert compare(BEFORE, after, CLIENTS) == []
    assert compare(BEFORE, after, CLIENTS - 1)


@pytest.mark.parametrize(
    ("more", "news"),
    [
        ({"memory": {"ws": 179 * MIB}}, "memory of ws: 179 MiB, was 100 MiB"),
        ({"files": {"ws": 401}}, "open files of ws: 401, were 200"),
        ({"connections": 51}, "connections: 51, were 30"),
        ({"advisory_locks": 3}, "advisory locks: 3, were 2"),
        ({"rows": {"realtime_presence": 641}}, "rows of realtime_presence: 641, were 40"),
    ],
)
def test_what_is_beyond_its_slack_is_told(more: dict[str, object], news: str) -> None:
    assert compare(BEFORE, replace(BEFORE, **more), CLIENTS) == [news]  # type: ignore[arg-type]


def test_young_sessions_of_postgresql_are_told_by_the_fullest() -> None:
    young = replace(BEFORE, files={"postgres": 700}, fullest={"postgres": 50})
    old = replace(BEFORE, files={"postgres": 1400}, fullest={"postgres": 70})
    leaking = replace(old, fullest={"postgres": 176})
    assert compare(young, old, CLIENTS) == []
    assert compare(young, leaking, CLIENTS) == ["open files of postgres: 176, were 50"]


def grown(*readings: Readings) -> list[str]:
    return [trend.what for trend in trends(readings) if trend.last > trend.bound]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"memory": {"ws": 158 * MIB}}, "MiB of ws"),
        ({"files": {"ws": 401}}, "descriptors of ws"),
        ({"fullest": {"ws": 266}}, "descriptors of one process of ws"),
        ({"connections": 51}, "connections to PostgreSQL"),
    ],
)
def test_what_has_grown_from_the_first_third_to_the_last_is_named(
    more: dict[str, object], what: str
) -> None:
    after = replace(BEFORE, **more)  # type: ignore[arg-type]
    assert grown(*[BEFORE] * 6, *[after] * 3) == [what]
    assert grown(*[after] * 9) == []


def test_one_reading_decides_nothing() -> None:
    high = replace(BEFORE, connections=300)
    assert grown(*[BEFORE] * 7, high, BEFORE) == []
