"""A wall clock that jumps, in one replica of each tier."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

from breaking import clock
from breaking.engine import answers, docker
from scenario import Run, scenario

HOUR = 3600.0
SLACK_SECONDS = 60.0
TIERS = ("ws", "http")


@scenario(
    "clock-forward",
    "the clock of one replica of each tier jumps an hour ahead, and back after 20 s",
    within=30,
    seconds=110,
    slow=True,
    restarts=TIERS,
    compose_only="a clock of one process is a container's",
)
def clock_forward(run: Run) -> None:
    """Leases and beats go by the database's clock or by one that does not jump."""
    jump(run, HOUR)


@scenario(
    "clock-backward",
    "the clock of one replica of each tier jumps an hour back, and ahead after 20 s",
    within=30,
    seconds=110,
    slow=True,
    restarts=TIERS,
    compose_only="a clock of one process is a container's",
)
def clock_backward(run: Run) -> None:
    """A token from elsewhere is from the future there."""
    jump(run, -HOUR)


def jump(run: Run, seconds: float) -> None:
    """Stand-ins with a clock of their own take the places of the last replicas."""
    image = f"chatire/faults:{run.compose.project}"
    with ExitStack() as undo:
        hands = []
        for tier in TIERS:
            replica = run.stack.containers(tier)[-1]
            twin, its = undo.enter_context(clock.stand_in(replica.id, image))
            run.until(partial(answers, twin, tier), f"the {tier} stand-in is ready", 60)
            hands.append((twin, its))
        run.until(lambda: not run.ledger.traffic.away, "everybody has a socket", 30)
        run.pause(2)
        run.fault()
        for twin, its in hands:
            its.step(seconds)
            run.until(partial(is_off, twin, seconds), "the clock has jumped", 5)
        run.pause(20)
        for _, its in hands:
            its.step(0)
        run.pause(3)
        run.healed()


def is_off(container: str, seconds: float) -> bool:
    """Whether a container's clock is that far from the machine's."""
    told = float(docker("exec", container, "date", "+%s"))
    return abs(told - time.time() - seconds) < SLACK_SECONDS
