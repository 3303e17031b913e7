"""Processes that are killed, told to stop, or stopped in their tracks."""

from __future__ import annotations

import signal

from scenario import Run, scenario

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@scenario(
    "ws-kill",
    "kill -9 of a ws worker",
    within=20,
    restarts={"ws"},
    goals={"fault_sight.p95": 3.0},
    harmless=True,
)
def ws_kill(run: Run) -> None:
    """Its clients come back to another worker and resume."""
    worker = run.stack.ws_workers()[0]
    run.fault(run.stack.signal(worker, KILL))


@scenario("nothing", "no fault at all", within=10, harmless=True)
def nothing(run: Run) -> None:
    """What the others are compared with."""
    run.fault()
    run.pause(8)
    run.expect_ready([*run.stack.containers("http"), *run.stack.containers("ws")])
