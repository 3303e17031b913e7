"""The tables of docs/reliability.md."""

from __future__ import annotations

from typing import Any

import pytest

import report


def result(name: str, sight: float, lost: int = 0, **more: Any) -> dict[str, Any]:
    spread = {"count": 5, "p50": sight, "p95": sight, "max": sight}
    return {
        "name": name,
        "title": "something breaks",
        "held": not lost,
        "failures": [],
        "promised": 10,
        "whole_after": 1.0,
        "told": {},
        "when": "2026-01-01 00:00 UTC",
        "machine": "2 processors",
        "load": 1.0,
        "ledger": {
            "stored": 60_000,
            "violations": dict.fromkeys(report.WRONG, 0) | {"lost": lost},
            "figures": {"fault_sight": spread, "away": spread},
        },
    } | more


def lines(*results: dict[str, Any]) -> list[str]:
    return report.markdown({"scenarios": list(results)}).splitlines()


def line(found: list[str], part: str) -> str:
    (only,) = [each for each in found if part in each]
    return only


def test_a_figure_is_held_against_its_goal() -> None:
    found = lines(result("ws-kill", 2.9), result("listen-cut", 1.1))
    assert "| 2.90 s | reached |" in line(found, "kill -9, 95th")
    assert "| 1.10 s | **not reached** |" in line(found, "LISTEN connections")
    assert "| not measured |  |" in line(found, "without one")
    assert "| 2 | **not reached** |" in line(found, "| scenarios |")
    assert "| 120,000 | reached |" in line(found, "| messages | at least")


@pytest.mark.parametrize(
    ("scenarios", "messages", "reached"),
    [
        (report.SCENARIOS_GOAL, report.MESSAGES_GOAL, [True, True]),
        (report.SCENARIOS_GOAL - 1, report.MESSAGES_GOAL, [False, True]),
        (report.SCENARIOS_GOAL, report.MESSAGES_GOAL - 1, [True, False]),
    ],
)
def test_a_full_run_is_held_against_its_goals(
    scenarios: int, messages: int, reached: list[bool]
) -> None:
    totals = report.totals(scenarios, messages)
    assert [total.reached for total in totals] == reached
    assert ["not reached" not in total.text for total in totals] == reached


def test_a_lost_message_is_no_success() -> None:
    found = lines(result("ws-kill", 0.1, lost=1), result("listen-cut", 0.1))
    assert "| 1 | **not reached** |" in line(found, "| lost, unseen")
    assert "1 of 2 scenarios held." in found
    assert "did not hold" in line(found, "`ws-kill`")


def test_what_went_wrong_stays_in_its_cell() -> None:
    broken = result("ws-kill", 0.1, held=False, failures=["first | line\nsecond"])
    assert line(lines(broken), "`ws-kill`").endswith("| first \\| line second |")
    nothing = result("ws-kill", 0.1, ledger=None, held=False)
    assert line(lines(nothing), "`ws-kill`").endswith("| no result |")


def test_every_row_has_as_many_cells_as_the_head() -> None:
    found = lines(result("ws-kill", 0.1), result("other", 0.1, ledger=None))
    rows = [
        each
        for each in found
        if each.startswith(("| scenario ", "| `", "|---|---|---|---|---|---|"))
    ]
    assert {row.count("|") for row in rows} == {len(report.HEAD) + 1}
