"""The model: its arithmetic, and whether it foresees what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import capacity
from costs import (
    FITTED,
    FORESEEN,
    HEARD,
    HTTP_FITTED,
    HTTP_FORESEEN,
    TOLERANCE,
    foreseen,
    shape,
)
from model import (
    COSTS,
    Costs,
    Load,
    demand,
    firsts,
    least_squares,
    limits,
    misfit,
    read_costs,
    workers_needed,
)

# Nothing goes together: a further message costs what the first one does.
ROUND = Costs(
    ws_post_us=300, ws_post_more_us=300, ws_hear_us=20, ws_hear_more_us=20, ws_serve_us=0,
    ws_deliver_us=10, ws_idle_us_per_s=5_000, http_post_us=2_000, http_post_more_us=2_000,
    postgres_store_us=200, postgres_store_more_us=200, postgres_wake_us=20, http_store_us=150,
    http_store_more_us=150, nginx_forward_us=10, ws_connect_us=1_000, ws_worker_mb=80,
    ws_socket_kb=25, nginx_socket_kb=10, wal_bytes=1_000, together_ms=0, http_together_ms=0,
    room_limit=1_000, database_limit=5_000,
)  # fmt: skip
DENSE = replace(
    ROUND, ws_post_more_us=30, ws_hear_more_us=2, postgres_store_more_us=20, together_ms=1,
    http_post_more_us=500, http_store_more_us=100, http_together_ms=10,
)  # fmt: skip
MEASURED = json.loads(COSTS.read_text())["held against"]


@pytest.mark.parametrize(
    "run", MEASURED, ids=lambda run: f"{run['rooms']}x{run['room']}@{run['rate']:.0f}"
)
def test_the_model_foresees_runs_that_it_was_not_fitted_to(run: dict[str, float]) -> None:
    expected = foreseen(read_costs(), run)
    assert {"ws_cores", "postgres_cores"} <= set(expected)
    assert ("http_cores" in expected) == (run["http_share"] == 1)
    for name, cores in expected.items():
        assert cores == pytest.approx(run[name], rel=TOLERANCE), name


def test_there_is_a_run_for_each_case_that_has_to_be_foreseen() -> None:
    cases = [shape(case)[:2] for case in FORESEEN + HTTP_FORESEEN]
    assert [(run["rooms"], run["room"]) for run in MEASURED] == cases
    assert not set(FITTED) & set(FORESEEN)
    assert not set(HTTP_FITTED) & set(HTTP_FORESEEN)


def test_the_cases_are_those_of_the_scenario() -> None:
    # Read, not imported: the scenario needs uvloop, which is not everywhere.
    source = (Path(__file__).parents[1] / "scenarios/costs.py").read_text()
    for case in FITTED + FORESEEN + HEARD + HTTP_FITTED + HTTP_FORESEEN:
        assert "Shape({}, {}, {})".format(*shape(case)) in source


def test_least_squares_finds_what_made_the_values() -> None:
    rows = [(50.0, 500.0), (300.0, 3_000.0 + 7), (25.0, 10_000.0), (100.0, 2_000.0)]
    values = [20 * rate + 3 * deliveries for rate, deliveries in rows]
    assert least_squares(rows, values) == pytest.approx([20, 3])


def test_a_cost_is_never_negative() -> None:
    rows = [(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]
    assert least_squares(rows, [3.0, 2.0, 1.0])[1] == 0


def test_every_worker_hears_every_message() -> None:
    load = Load(100, 1_000, 10)
    one, two = demand(ROUND, load, 1), demand(ROUND, load, 2)
    assert two.ws_cores - one.ws_cores == pytest.approx(0.02 + 0.005)
    assert two.postgres_cores - one.postgres_cores == pytest.approx(0.02)
    # 1,000 posts, 10,000 deliveries.
    assert one.ws_cores == pytest.approx(0.3 + 0.02 + 0.1 + 0.005)


def test_what_comes_in_the_time_of_one_goes_with_it() -> None:
    assert firsts(1.0, 1) == pytest.approx(1, rel=0.01)
    assert firsts(1_000, 1) == 500
    # As many to each of two as one would have of half the rate.
    assert firsts(2_000, 1, workers=2) == 2 * firsts(1_000, 1)


def test_a_further_message_costs_what_a_further_one_does() -> None:
    load = Load(100, 1_000, 10)
    dense = demand(DENSE, load, 1)
    # 500 firsts, 500 further; 10,000 deliveries.
    assert dense.ws_cores == pytest.approx(0.005 + 0.15 + 0.015 + 0.01 + 0.001 + 0.1)
    assert dense.postgres_cores == pytest.approx(0.1 + 0.01 + 0.01)
    # With all of it at one of two workers, as with one.
    two = demand(DENSE, load, 2, posted_at=1)
    assert two.ws_cores - dense.ws_cores == pytest.approx(0.005 + 0.011)


def test_what_comes_over_http_has_costs_of_its_own() -> None:
    http = demand(DENSE, Load(100, 100, 10, http_share=1.0), 1, http_processes=1)
    # 50 firsts, 50 further.
    assert http.http_cores == pytest.approx(0.1 + 0.025)
    assert http.postgres_cores == pytest.approx(0.0075 + 0.005 + 0.001)
    assert http.ws_cores == pytest.approx(0.005 + 0.001 + 0.0001 + 0.01)


def test_a_limit_is_where_the_need_reaches_what_there_is() -> None:
    load = Load(1_000, 1, 10)
    bounds = dict(limits(DENSE, load, 2, 4))
    at = demand(DENSE, replace(load, rate=bounds["PostgreSQL"]), 2)
    assert at.postgres_cores == pytest.approx(4 * 0.6)
    at = demand(DENSE, replace(load, rate=bounds["ws workers"]), 2)
    assert at.ws_cores == pytest.approx(2 * 0.6)
    assert bounds["one worker's hearing"] > dict(limits(ROUND, load, 2, 4))["one worker's hearing"]


def test_the_http_tier_ends_only_what_comes_over_http() -> None:
    name = "http tier, 2 processes"
    assert name not in dict(limits(DENSE, Load(1_000, 1, 10), 2, 4))
    load = Load(1_000, 1, 10, http_share=0.5)
    at = demand(DENSE, replace(load, rate=dict(limits(DENSE, load, 2, 4))[name]), 2)
    assert at.http_cores == pytest.approx(2 * 0.6)


def test_hearing_ends_by_how_much_comes_together_on_either_way() -> None:
    by_socket, over_http = (
        dict(limits(DENSE, Load(1_000, 1, 10, http_share=share), 2, 4))["one worker's hearing"]
        for share in (0.0, 1.0)
    )
    assert over_http > by_socket


def test_the_misfit_is_none_where_all_is_met() -> None:
    rows = [(1.0, 2.0), (3.0, 4.0)]
    assert misfit(rows, [5.0, 11.0], [1.0, 2.0]) == 0
    assert misfit(rows, [10.0, 11.0], [1.0, 2.0]) == 0.25


def test_only_workers_that_have_sockets_of_a_room_serve_it() -> None:
    serving = replace(ROUND, ws_serve_us=50)

    def more(load: Load, workers: int) -> float:
        return demand(serving, load, workers).ws_cores - demand(ROUND, load, workers).ws_cores

    assert more(Load(100, 1_000, 10), 1) == pytest.approx(0.05)
    assert more(Load(100, 1_000, 10), 4) == pytest.approx(0.2)
    assert more(Load(100, 1_000, 2), 4) == pytest.approx(0.1)


def test_so_many_workers_that_none_is_full_and_none_holds_too_many_sockets() -> None:
    assert workers_needed(ROUND, Load(100, 10)) == 1
    assert workers_needed(ROUND, Load(25_000, 10)) == 3
    load = Load(1_000, 4_000)
    workers = workers_needed(ROUND, load)
    assert workers is not None
    assert demand(ROUND, load, workers).ws_cores / workers <= 0.6
    assert demand(ROUND, load, workers - 1).ws_cores / (workers - 1) > 0.6


def test_hearing_alone_can_be_too_much() -> None:
    assert workers_needed(ROUND, Load(1_000, 40_000)) is None


def test_the_least_limit_comes_first_and_a_room_has_one_of_its_own() -> None:
    many = limits(ROUND, Load(1_000, 100, 10), 2, 2)
    assert many == sorted(many, key=lambda each: each[1])
    assert "one room's counter" not in dict(many)
    assert dict(limits(ROUND, Load(1_000, 100, 1_000), 2, 2))["one room's counter"] == 1_000


def test_the_calculator_answers_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["--sockets", "1000", "--rate", "10", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["workers"] == 1
    assert answer["cores"] > 0


def test_the_calculator_refuses_what_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        capacity.main(["--sockets", "0", "--rate", "10"])
    assert "at least 1" in capsys.readouterr().err
