"""Half an hour of steady, moderate traffic through one fault after another, in any order."""

from __future__ import annotations

import os
import random
import time

from composed import Composed
from ledger.traffic import Size
from readings import trends
from runner import wait_whole
from scenario import SCENARIOS, Broken, Run, Scenario, scenario
from stack import Readings

MINUTES = float(os.environ.get("CHATIRE_SOAK_MINUTES") or 30)
# One order for one number: a run that failed can be repeated.
SEED = int(os.environ.get("CHATIRE_SOAK_SEED") or time.time())
# Seconds without a fault between two.
QUIET = (5.0, 25.0)
# What ends processes and connections and heals by itself: nothing that would change what is stored.
FAULTS = (
    *("ws-kill", "ws-kill-all", "ws-term", "http-worker-kill", "http-worker-term"),
    *("http-master-kill", "http-term", "nginx-worker-kill", "nginx-reload", "listen-cut"),
    *("postgres-backend-kill", "listen-backend-kill", "postgres-immediate", "postgres-restart"),
    *("connections-churn", "layer-locked", "ws-black-hole", "latency", "loss"),
)
# The layer's messages live a minute, and its janitor takes a moment.
LAYER_ROWS = 20_000


@scenario(
    "soak",
    f"{MINUTES:g} minutes of faults at random under steady traffic",
    within=45,
    seconds=MINUTES * 60 + 60,
    slow=True,
    size=Size(rooms=10, clients=200, rate=20.0),
    restarts={"http", "ws", "nginx", "postgres"},
    alone=True,
)
def soak(run: Run) -> None:
    """Each fault heals within its own promise, and what the stack holds does not grow."""
    chance = random.Random(SEED)
    run.say(f"seed {SEED}")
    end = time.time() + MINUTES * 60
    readings: list[Readings] = []
    count = 0
    composed = isinstance(run.stack, Composed)
    faults = [name for name in FAULTS if composed or not SCENARIOS[name].compose_only]
    while time.time() < end:
        # All of them before any comes again.
        for name in chance.sample(faults, len(faults)):
            run.pause(min(chance.uniform(*QUIET), max(0.0, end - time.time())))
            if time.time() >= end:
                break
            readings.append(run.stack.readings())
            count += 1
            told = injected(run, SCENARIOS[name])
            left = max(0.0, end - time.time()) / 60
            run.say(f"{name}: {told}; {run.ledger.line}; {left:.0f} min left")
    run.fault()
    run.healed()
    # One line for all: each fault has its own figures in its own scenario.
    run.figures.clear()
    run.figure("faults", count)
    if len(readings) >= 6:
        flat(run, readings)


def injected(run: Run, each: Scenario) -> str:
    """Have one fault and wait for its end; says how it went.

    What did not hold is a failure of the run, which goes on.
    """
    run.earlier = run.ledger.traffic.books.retried.copy()
    known = len(run.failures)
    try:
        each.function(run)
    except Broken as broken:
        run.failures.append(str(broken))
    finally:
        for undo in reversed(run.undo):
            undo()
        run.undo.clear()
    try:
        told = f"whole after {wait_whole(run.stack, run, each.within) - run.counts:.1f} s"
    except Broken as broken:
        run.failures.append(str(broken))
        told = f"not whole after {each.within:g} s"
    wrong = [f"{each.name}: {failure}" for failure in run.failures[known:]]
    run.failures[known:] = wrong
    return "; ".join([told, *wrong])


def flat(run: Run, readings: list[Readings]) -> None:
    """Nothing that the stack holds has grown, and the layer's tables stayed small."""
    for trend in trends(readings):
        run.figure(f"{trend.what} at first", trend.first)
        run.figure(f"{trend.what} at last", trend.last, trend.bound)
    for table in readings[0].rows:
        most = max(each.rows.get(table, 0) for each in readings)
        run.figure(f"rows of {table} at most", most, LAYER_ROWS)
