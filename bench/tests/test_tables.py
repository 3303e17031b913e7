"""What is printed of two files of results."""

from __future__ import annotations

import pytest

from meter import Run
from results import Results
from tables import show_changes, show_machine

TITLES = {"chatire": "chatire", "bare": "bare limit"}


def changes(capsys: pytest.CaptureFixture[str], before: list[Run], after: list[Run]) -> list[str]:
    show_changes(Results(runs=before), Results(runs=after), TITLES)
    return capsys.readouterr().out.strip().splitlines()[1:]


def run(design: str, case: str = "burst 100", error: str = "", **figures: float) -> Run:
    return Run("fanout", case, design, figures=dict(figures), error=error)


def test_only_what_differs_by_more_than_a_tenth_is_a_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = [run("chatire", deliveries_per_s=1000, p50=2.0), run("bare", deliveries_per_s=100)]
    after = [run("chatire", deliveries_per_s=1500, p50=2.1), run("bare", deliveries_per_s=95)]
    (line,) = changes(capsys, before, after)
    assert line.split() == [
        "fanout:", "burst", "100", "chatire", "deliveries/s", "1,000", "→", "1,500", "+50%",
    ]  # fmt: skip


def test_medians_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    before = [run("chatire", p50=value) for value in (1.0, 9.0, 2.0)]
    assert changes(capsys, before, [run("chatire", p50=2.0)]) == ["  none"]


def test_losing_figures_is_a_change_and_so_is_having_them_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, broken = run("bare", p50=1.0), run("bare", error="1 of 9 lost, 0 doubled")
    (line,) = changes(capsys, [whole], [broken])
    assert "bare limit" in line
    assert line.endswith("1 of 9 lost, 0 doubled")
    (line,) = changes(capsys, [broken], [whole])
    assert line.endswith("has figures again")


def test_what_only_one_of_the_files_has_is_no_change(capsys: pytest.CaptureFixture[str]) -> None:
    before = [run("chatire", p50=1.0), run("bare", p50=1.0)]
    after = [run("chatire", deliveries_per_s=5.0), run("chatire", "burst 500", p50=9.0)]
    assert changes(capsys, before, after) == ["  none"]


def test_the_foot_says_what_was_measured_on(capsys: pytest.CaptureFixture[str]) -> None:
    show_machine(Results({"cores": "2", "PostgreSQL": "17.12", "nginx": "1.26.3"}))
    assert capsys.readouterr().out == "\non: cores 2, PostgreSQL 17.12, nginx 1.26.3\n"
