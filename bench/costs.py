"""Unit costs from a file of results: `python costs.py RESULTS.json [--write]`.

Fits the model's costs to the steady loads that `make bench WHAT='costs idle ws durable'` has
measured, and holds the model against those that it was not fitted to. With --write it stores both
in costs.json, which `make capacity` reads. Exit status 1 when the model is off by more than 30 %.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import results
from goals import NotMeasured, figure
from meter import Run
from model import COSTS, Costs, Load, demand, firsts, least_squares, misfit, write_costs

# The model is no better than this, and a figure outside it says that something has changed.
TOLERANCE = 0.3
# `2 + 4` workers: as in scenarios/costs.py, which needs more than this program to be imported.
IDLE_WORKERS = 4


def shape(case: str) -> tuple[int, int, int]:
    """Rooms, sockets a room and messages a second, from a case's name."""
    rooms, _, room, _, rate = case.split(",")[0].split()
    return int(rooms), int(room), int(rate)


def fit(found: results.Results) -> Costs:
    """The costs; raises NotMeasured where a run is missing or has failed."""
    middle = found.middle()

    def get(scenario: str, case: str, name: str, design: str = "chatire") -> float:
        return figure(middle, scenario, case, design, name)

    idle = get("costs", "nothing", "receiver_cores")
    fitted = [
        run
        for (scenario, case, design), run in middle.items()
        if scenario == "costs" and design == "chatire" and case in FITTED and run.figures
    ]
    if len(fitted) < len(FITTED):
        raise NotMeasured(f"costs has {len(fitted)} of its {len(FITTED)} fitted cases")
    beside = [middle["costs", f"{case}, {2 + IDLE_WORKERS} workers", "chatire"] for case in HEARD]
    together_ms = min(GATHERING_MS, key=lambda ms: _fit_messages(fitted, beside, idle, ms)[1])
    (hear, hear_more, serve, deliver, post, post_more, store, store_more), _ = _fit_messages(
        fitted, beside, idle, together_ms
    )
    # Together, for either difference is small against what varies from run to run.
    more = sum(
        run.figures["postgres_cores"] - get("costs", case, "postgres_cores")
        for case, run in zip(HEARD, beside, strict=True)
    )
    notified = sum(firsts(run.figures["rate"], together_ms) for run in beside)
    wake = max(0.0, more / IDLE_WORKERS / notified)
    forwarded = [
        run
        for (scenario, case, design), run in middle.items()
        if scenario == "costs" and design == "chatire-nginx" and case in FITTED and run.figures
    ]
    (forward,) = least_squares(
        [(run.figures["deliveries_per_s"],) for run in forwarded],
        [max(1e-9, run.figures["nginx_cores"]) for run in forwarded],
    )
    sockets = next(case for scenario, case, _ in middle if scenario == "idle")
    over_http = [middle["costs", f"{case}, HTTP", "chatire"] for case in HTTP_FITTED]
    hearing = [
        max(1e-9, run.figures["ws_cores"] - 2 * idle - run.figures["deliveries_per_s"] * deliver)
        for run in over_http
    ]
    http_together_ms = min(
        GATHERING_MS,
        key=lambda ms: _fit_http(over_http, hearing, 2 * (hear + serve), 2 * hear_more, ms)[1],
    )
    (http_post, http_post_more, http_store, http_store_more), _ = _fit_http(
        over_http, hearing, 2 * (hear + serve), 2 * hear_more, http_together_ms
    )
    # Where many were stored: after a checkpoint each page is logged whole once.
    posts = middle["ws", "16 rooms", "chatire"]
    stored = get("ws", "16 rooms", "messages_per_s") * posts.seconds
    return Costs(
        ws_post_us=post * 1e6,
        ws_post_more_us=post_more * 1e6,
        ws_hear_us=hear * 1e6,
        ws_hear_more_us=hear_more * 1e6,
        ws_serve_us=serve * 1e6,
        ws_deliver_us=deliver * 1e6,
        ws_idle_us_per_s=idle * 1e6,
        http_post_us=http_post * 1e6,
        http_post_more_us=http_post_more * 1e6,
        http_store_us=(http_store - 2 * wake) * 1e6,
        http_store_more_us=http_store_more * 1e6,
        postgres_store_us=(store - 2 * wake) * 1e6,
        postgres_store_more_us=store_more * 1e6,
        postgres_wake_us=wake * 1e6,
        nginx_forward_us=forward * 1e6,
        ws_connect_us=get("idle", sockets, "worker_ms_per_socket") * 1000,
        ws_worker_mb=get("costs", "nothing", "worker_mb"),
        ws_socket_kb=get("idle", sockets, "kb_per_socket"),
        nginx_socket_kb=get("idle", sockets, "nginx_kb_per_socket", "chatire-nginx"),
        wal_bytes=posts.postgres["wal_bytes"] / stored,
        together_ms=together_ms,
        http_together_ms=http_together_ms,
        room_limit=get("ws", "one room", "messages_per_s"),
        database_limit=get("durable", "16 connections, 100 rooms, hints", "messages_per_s"),
        machine=f"{found.machine.get('cores', '?')} cores, {found.machine.get('processor', '?')}",
    )


# As in scenarios/costs.py; held together by tests/test_model.py.
FITTED = (
    "1 × 10 @ 50", "1 × 10 @ 300", "1 × 400 @ 25", "20 × 20 @ 100", "20 × 2 @ 700",
    "20 × 2 @ 2000", "50 × 2 @ 3000",
)  # fmt: skip
FORESEEN = ("50 × 10 @ 200", "5 × 100 @ 60", "50 × 2 @ 1200")
# Over HTTP, to receivers on both workers.
HTTP_FITTED = ("20 × 2 @ 50", "20 × 2 @ 200", "20 × 2 @ 600")
HTTP_FORESEEN = ("20 × 2 @ 100", "50 × 2 @ 400")
# Beside idle workers, who only hear.
HEARD = ("1 × 10 @ 300", "20 × 2 @ 2000")
# Looked through for the time in which messages gather.
GATHERING_MS = [0.05 * 1.15**n for n in range(50)]


def _fit_messages(
    fitted: list[Run], beside: list[Run], idle: float, together_ms: float
) -> tuple[list[float], float]:
    """What messages cost if those of so long go together, in seconds, and how ill that fits.

    The costs are hear, each further; serve; deliver; post, each further; store, each further, with
    what it takes to wake two workers. Hearing is that of the idle workers in `beside`.
    """

    def split(runs: list[Run]) -> list[tuple[float, float]]:
        rates = [run.figures["rate"] for run in runs]
        return [(first, rate - first) for rate in rates for first in (firsts(rate, together_ms),)]

    heard = [_above(run, "idle_worker_cores", idle) for run in beside]
    hear, hear_more = least_squares(split(beside), heard)
    pairs = split(fitted)
    deliveries = [
        (first, run.figures["deliveries_per_s"])
        for run, (first, _) in zip(fitted, pairs, strict=True)
    ]
    delivering = [
        max(1e-9, run.figures["receiver_cores"] - idle - first * hear - more * hear_more)
        for run, (first, more) in zip(fitted, pairs, strict=True)
    ]
    serve, deliver = least_squares(deliveries, delivering)
    # One poster in each room hears its own message, on its worker.
    posting = [
        max(
            1e-9,
            run.figures["poster_cores"]
            - idle
            - first * (hear + serve)
            - more * hear_more
            - (first + more) * deliver,
        )
        for run, (first, more) in zip(fitted, pairs, strict=True)
    ]
    storing = [run.figures["postgres_cores"] for run in fitted]
    post, post_more = least_squares(pairs, posting)
    store, store_more = least_squares(pairs, storing)
    off = (
        misfit(split(beside), heard, [hear, hear_more])
        + misfit(deliveries, delivering, [serve, deliver])
        + misfit(pairs, posting, [post, post_more])
        + misfit(pairs, storing, [store, store_more])
    )
    return [hear, hear_more, serve, deliver, post, post_more, store, store_more], off


def _fit_http(
    runs: list[Run], hearing: list[float], hear: float, hear_more: float, together_ms: float
) -> tuple[list[float], float]:
    """What a post takes of the http tier and of PostgreSQL, each further, in seconds, if the hints
    of so long go together, and how ill that fits, with what hearing them took both workers."""
    split = [
        (first, run.figures["rate"] - first)
        for run in runs
        for first in (firsts(run.figures["rate"], together_ms),)
    ]
    posting, storing = (
        [max(1e-9, run.figures[name]) for run in runs] for name in ("http_cores", "postgres_cores")
    )
    post, store = least_squares(split, posting), least_squares(split, storing)
    off = (
        misfit(split, hearing, [hear, hear_more])
        + misfit(split, posting, post)
        + misfit(split, storing, store)
    )
    return [*post, *store], off


def _above(run: Run, name: str, idle: float) -> float:
    return max(1e-9, run.figures[name] - idle)


def held_against(found: results.Results) -> list[dict[str, float]]:
    """The runs that the model has to foresee: what was asked, and what it took."""
    middle = found.middle()
    measured = []
    for case in (*FORESEEN, *(f"{case}, HTTP" for case in HTTP_FORESEEN)):
        run = middle.get(("costs", case, "chatire"))
        if run is None or not run.figures:
            raise NotMeasured(f"costs has no run of {case}")
        rooms, room, _ = shape(case)
        took = run.figures
        over_http = "http_cores" in took
        measured.append(
            {
                "rooms": rooms,
                "room": room,
                "rate": took["rate"],
                "http_share": float(over_http),
                "ws_cores": (
                    took["ws_cores"] if over_http else took["receiver_cores"] + took["poster_cores"]
                ),
                "postgres_cores": took["postgres_cores"],
            }
            | ({"http_cores": took["http_cores"]} if over_http else {})
        )
    return measured


def foreseen(costs: Costs, run: dict[str, float]) -> dict[str, float]:
    """What the model expects such a run to take, by the names of what it took."""
    # Each room whose messages come by a socket has its poster besides, who hears what is said.
    room = int(run["room"]) + (0 if run["http_share"] else 1)
    load = Load(int(run["rooms"]) * room, run["rate"], room, run["http_share"])
    expected = demand(costs, load, workers=2, posted_at=1, http_processes=1)
    return {name: getattr(expected, name) for name in run if name.endswith("_cores")}


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", action="store_true", help=f"store them in {COSTS.name}")
    options = parser.parse_args(given)
    found = results.read(options.results)
    try:
        costs, measured = fit(found), held_against(found)
    except (NotMeasured, KeyError, StopIteration) as error:
        print(
            f"costs: {options.results} does not have all that is needed: {error!r}", file=sys.stderr
        )
        return 2
    for name, value in vars(costs).items():
        print(f"  {name:<20} {value if isinstance(value, str) else f'{value:,.2f}'}")
    off = 0.0
    for run in measured:
        for name, value in foreseen(costs, run).items():
            seen = run[name]
            off = max(off, abs(value / seen - 1))
            print(
                f"  {run['rooms']:.0f} rooms of {run['room']:.0f} at {run['rate']:.0f}/s"
                f"{' over HTTP' if run['http_share'] else ''}, {name.removesuffix('_cores')}:"
                f" foreseen {value:.3f} cores, measured {seen:.3f} ({value / seen - 1:+.0%})"
            )
    if options.write:
        write_costs(costs, measured, COSTS)
        print(f"  written to {COSTS}")
    return 1 if off > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
