"""How ratios are made of runs, and what becomes of a run that lost something."""

from __future__ import annotations

from pathlib import Path

import pytest

from goals import GOALS, between, judge, needed
from meter import Run
from results import Results, read
from scenarios import SCENARIOS
from tables import rows, show_goals


def run(design: str, number: int = 0, error: str = "", **figures: float) -> Run:
    return Run("fanout", "burst 1000", design, number, figures=dict(figures), error=error)


def verdict(results: Results, name: str) -> tuple[str, float | None]:
    found = next(each for each in judge(results) if each.goal.name.endswith(name))
    return found.text, found.value


def test_the_median_of_three_runs_is_compared() -> None:
    results = Results(
        runs=[run("chatire", n, deliveries_per_s=value) for n, value in enumerate((900, 10, 300))]
        + [run("bare", deliveries_per_s=100)]
    )
    assert verdict(results, "1,000 sockets : bare limit") == ("met", 3.0)


def test_a_design_that_lost_once_has_no_figure() -> None:
    results = Results(
        runs=[
            run("chatire", deliveries_per_s=500),
            run("bare", 0, deliveries_per_s=100),
            run("bare", 1, error="1 of 9 lost, 0 doubled"),
        ]
    )
    assert verdict(results, "1,000 sockets : bare limit") == ("not measured", None)


def test_the_better_of_several_counts_and_those_without_figure_do_not() -> None:
    results = Results(
        runs=[
            run("chatire", deliveries_per_s=600),
            run("redis-core", deliveries_per_s=10),
            run("redis-pubsub", deliveries_per_s=30),
            run("redis-default", error="lost"),
        ]
    )
    assert verdict(results, "best channels_redis") == ("not met", 20.0)


def test_a_full_load_generator_is_said_of_what_it_was_full_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chatire = [run("chatire", n, deliveries_per_s=500) for n in range(3)]
    bare = run("bare", deliveries_per_s=100)
    chatire[1].load_bound = True
    show_goals(Results(runs=[*chatire, bare]))
    assert "met  (the load generator was full with chatire: at least)" in capsys.readouterr().out
    # The ratio may be less then, or more: nothing is at least.
    bare.load_bound = True
    show_goals(Results(runs=[*chatire, bare]))
    assert "met  (the load generator was full with chatire, bare)" in capsys.readouterr().out


def test_who_was_not_full_is_not_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    other = run("socketio", deliveries_per_s=900)
    other.load_bound = True
    runs = [run("chatire", deliveries_per_s=500), run("bare", deliveries_per_s=100), other]
    show_goals(Results(runs=runs))
    assert "load generator" not in capsys.readouterr().out


def test_the_load_is_shown_against_the_time_that_it_is_judged_by() -> None:
    one = run("chatire", deliveries_per_s=500)
    one.seconds, one.load_cpu = 1.0, 0.5
    one.judge_load(0.5)
    assert one.load_bound
    ((_, headings, (cells,)),) = rows(Results(runs=[one]), {})
    assert cells[headings.index("load CPU")] == "100%"


def test_a_goal_with_an_upper_bound_is_missed_above_it() -> None:
    goal = next(each for each in GOALS if not each.at_least)
    assert goal.met(goal.bound)
    assert not goal.met(goal.bound * 1.01)


def test_a_ratio_can_be_of_two_cases() -> None:
    results = Results(
        runs=[run("chatire", p50=4.0), Run("fanout", "other", "bare", figures={"p50": 2.0})]
    )
    assert (
        between("fanout", "burst 1000", "p50", "chatire", "bare", other_case="other")(
            results.middle()
        )
        == 2.0
    )


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = Results({"cores": "2"}, [run("chatire", p50=1.5)])
    results.write(tmp_path / "results.json")
    assert read(tmp_path / "results.json") == results
    (tmp_path / "other.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        read(tmp_path / "other.json")


def test_what_the_goals_need_is_what_there_is_to_run() -> None:
    """A case that was renamed would never be measured, and its goal never be judged."""
    there = {
        (scenario.name, case.name, design)
        for scenario in SCENARIOS
        for case in scenario.cases(False)
        for design in scenario.designs
    }
    assert needed() <= there
    assert ("fanout", "burst 1000", "redis-pubsub") in needed()
    assert ("fanout", "burst 5000", "chatire") not in needed()


def test_nginx_is_judged_by_the_worst_of_the_rooms() -> None:
    shares = {100: 0.05, 500: 0.2, 1000: -0.1}
    results = Results(
        runs=[
            Run("nginx", f"burst {n}, in turn", "chatire-nginx", figures={"nginx_share": share})
            for n, share in shares.items()
        ]
    )
    assert verdict(results, "that nginx costs") == ("not met", 0.2)
    del results.runs[0]
    assert verdict(results, "that nginx costs") == ("not measured", None)
