"""Whether the fit finds again the costs that made the figures."""

from __future__ import annotations

import pytest

from costs import (
    FITTED,
    FORESEEN,
    GATHERING_MS,
    HEARD,
    HTTP_FITTED,
    HTTP_FORESEEN,
    IDLE_WORKERS,
    fit,
    foreseen,
    held_against,
    shape,
)
from meter import Run
from model import Costs, firsts
from results import Results

TRUE = Costs(
    ws_post_us=900, ws_post_more_us=150, ws_hear_us=110, ws_hear_more_us=25, ws_serve_us=70,
    ws_deliver_us=12, ws_idle_us_per_s=3_000, http_post_us=1_800, http_post_more_us=700,
    postgres_store_us=700, postgres_store_more_us=90, postgres_wake_us=60, http_store_us=850,
    http_store_more_us=320, nginx_forward_us=15, ws_connect_us=900, ws_worker_mb=85,
    ws_socket_kb=24, nginx_socket_kb=23, wal_bytes=1_800, together_ms=GATHERING_MS[20],
    http_together_ms=GATHERING_MS[38], room_limit=4_000, database_limit=7_000,
    machine="2 cores, a processor",
)  # fmt: skip


def steady(case: str, workers: int = 2) -> Run:
    """A run as the laws of TRUE would have it: receivers at one worker, posters at another."""
    _, room, rate = shape(case)
    first = firsts(rate, TRUE.together_ms)
    hear = first * TRUE.ws_hear_us + (rate - first) * TRUE.ws_hear_more_us
    serve = hear + first * TRUE.ws_serve_us
    post = first * TRUE.ws_post_us + (rate - first) * TRUE.ws_post_more_us
    store = first * (TRUE.postgres_store_us + workers * TRUE.postgres_wake_us)
    store += (rate - first) * TRUE.postgres_store_more_us
    name = case if workers == 2 else f"{case}, {workers} workers"
    figures = {
        "rate": float(rate),
        "deliveries_per_s": float(rate * room),
        "receiver_cores": (
            TRUE.ws_idle_us_per_s + serve + rate * room * TRUE.ws_deliver_us
        ) / 1e6,
        "poster_cores": (TRUE.ws_idle_us_per_s + post + serve + rate * TRUE.ws_deliver_us) / 1e6,
        "postgres_cores": store / 1e6,
        "idle_worker_cores": (TRUE.ws_idle_us_per_s + hear) / 1e6,
        "nginx_cores": rate * room * TRUE.nginx_forward_us / 1e6,
    }  # fmt: skip
    return Run("costs", name, "chatire", figures=figures)


def over_http(case: str) -> Run:
    """Posts over HTTP, to receivers on both workers."""
    _, room, rate = shape(case)
    first = firsts(rate, TRUE.http_together_ms)
    hear = first * (TRUE.ws_hear_us + TRUE.ws_serve_us) + (rate - first) * TRUE.ws_hear_more_us
    post = first * TRUE.http_post_us + (rate - first) * TRUE.http_post_more_us
    store = first * (TRUE.http_store_us + 2 * TRUE.postgres_wake_us)
    store += (rate - first) * TRUE.http_store_more_us
    figures = {
        "rate": float(rate),
        "deliveries_per_s": float(rate * room),
        "ws_cores": (2 * (TRUE.ws_idle_us_per_s + hear) + rate * room * TRUE.ws_deliver_us) / 1e6,
        "http_cores": post / 1e6,
        "postgres_cores": store / 1e6,
    }
    return Run("costs", f"{case}, HTTP", "chatire", figures=figures)


def measured() -> Results:
    idle = {"kb_per_socket": 24.0, "worker_ms_per_socket": 0.9, "nginx_kb_per_socket": 23.0}
    nothing = {"receiver_cores": TRUE.ws_idle_us_per_s / 1e6, "worker_mb": 85.0}
    posts = Run("ws", "16 rooms", "chatire", figures={"messages_per_s": 5_000.0}, seconds=2.0)
    posts.postgres = {"wal_bytes": 1_800.0 * 10_000}
    runs = [steady(case) for case in FITTED + FORESEEN]
    behind = [steady(case) for case in FITTED]
    for run in behind:
        run.design = "chatire-nginx"
    runs += behind
    runs += [*(steady(case, 2 + IDLE_WORKERS) for case in HEARD), posts]
    runs += [over_http(case) for case in HTTP_FITTED + HTTP_FORESEEN]
    runs += [
        Run("costs", "nothing", "chatire", figures=nothing),
        Run("idle", "10000 sockets", "chatire", figures=idle),
        Run("idle", "10000 sockets", "chatire-nginx", figures=idle),
        Run("ws", "one room", "chatire", figures={"messages_per_s": 4_000.0}),
        Run(
            "durable", "16 connections, 100 rooms, hints", "chatire",
            figures={"messages_per_s": 7_000.0},
        ),
    ]  # fmt: skip
    return Results({"cores": "2", "processor": "a processor"}, runs)


def test_the_fit_finds_the_costs_that_made_the_figures() -> None:
    found = fit(measured())
    for name, value in vars(TRUE).items():
        assert vars(found)[name] == (
            value if isinstance(value, str) else pytest.approx(value, rel=0.01)
        ), name


def test_the_costs_found_foresee_what_they_were_not_fitted_to() -> None:
    results = measured()
    costs = fit(results)
    for run in held_against(results):
        for name, cores in foreseen(costs, run).items():
            assert cores == pytest.approx(run[name], rel=0.02), name
