"""PostgreSQL's disk is full: first for its tables, then for its log, which ends it."""

from __future__ import annotations

import time

from breaking.disk import Disk, small_disk
from breaking.engine import Trouble
from engine import inspect
from scenario import Run, scenario

IMAGE = "chatire/faults"
# The engine waits longer and longer between two starts of what ends at once, up to a minute.
BACK_SECONDS = 75.0


@scenario(
    "disk-full",
    "the disk of PostgreSQL is full for 30 s, until it cannot even write its log",
    within=45,
    seconds=150,
    slow=True,
    restarts={"postgres"},
    compose_only="puts a small disk under a container",
)
def disk_full(run: Run) -> None:
    """Messages are refused as passing, nothing is lost, and room is all that mends it."""
    stack = run.compose
    image = f"{IMAGE}:{stack.project}"
    postgres = stack.container("postgres")
    volume = next(
        mount["Name"]
        for mount in inspect(postgres.id)["Mounts"]
        if mount["Destination"] == "/var/lib/postgresql"
    )
    with small_disk(postgres.id, image, volume) as (disk, small):
        run.until(lambda: answers(disk), "PostgreSQL runs on its small disk", 30)
        run.until(run.ledger.whole, "everybody is served from there", 60)
        run.pause(3)
        disk.fill()
        run.fault()
        refused = run.ledger.traffic.books.retried.copy()
        run.until(lambda: full(run, refused), "a message is refused", 30)
        run.say("messages are refused; now the log is filled up")
        # Segment after segment, until there is no room for the next: PostgreSQL gives up.
        run.until(lambda: not switched(disk), "PostgreSQL ends", 30)
        run.pause(5)
        run.expect(not answers(disk), "PostgreSQL runs on without a log")
        run.expect_unready([*stack.containers("http"), *stack.containers("ws")], 60)
        disk.empty(image, small)
        began = time.time()
        run.until(lambda: answers(disk), "PostgreSQL is back by itself", BACK_SECONDS)
        run.figure("PostgreSQL back after", time.time() - began)
        run.until(run.ledger.whole, "everybody is served again", 30)
        run.pause(2)
    run.healed()


def answers(disk: Disk) -> bool:
    try:
        return disk.psql("SELECT 1") == "1"
    except Trouble:
        return False


def full(run: Run, before: dict[str, int]) -> bool:
    """Whether tries were refused as passing since then, in both ways to send."""
    now = run.ledger.traffic.books.retried
    return all(now[why] > before.get(why, 0) for why in ("http: 503", "unavailable"))


def switched(disk: Disk) -> bool:
    """Begin another segment of the log; false when PostgreSQL is gone."""
    try:
        # Goes to the log alone: a table would be refused, which ends nothing.
        fill = "SELECT pg_logical_emit_message(false, 'fault', repeat('x', 1000000))"
        disk.psql(f"{fill}; SELECT pg_switch_wal();")
    except Trouble:
        return answers(disk)
    return True
