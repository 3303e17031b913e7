"""What a run costs: processor time and memory of every process, and PostgreSQL's own counters."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from types import TracebackType

import processes
from load.statistic import latencies
from load.tally import Tally
from targets.pod import Pod

# Above this share of one core the load generator may be what was measured.
BUSY = 0.9

COUNTERS = """
SELECT sum(xact_commit), sum(xact_rollback), sum(tup_inserted), sum(tup_updated),
       sum(tup_fetched), sum(blks_read), (SELECT wal_bytes FROM pg_stat_wal),
       (SELECT wal_sync FROM pg_stat_wal)
FROM pg_stat_database
"""
COUNTED = (
    "commits", "rollbacks", "inserted", "updated", "fetched", "blocks_read", "wal_bytes",
    "wal_syncs",
)  # fmt: skip


@dataclass
class Run:
    """One run of one case of a scenario against one design."""

    scenario: str
    case: str
    design: str
    run: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    # What came to sockets of other rooms.
    leaked: int = 0
    # What kept the run from having figures, in one line.
    error: str = ""
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    processes: list[dict[str, object]] = field(default_factory=list)
    postgres: dict[str, float] = field(default_factory=dict)
    # The load generator: seconds of processor time, the time that they are held against, and
    # whether it may be the bottleneck.
    load_cpu: float = 0.0
    load_seconds: float = 0.0
    load_bound: bool = False
    at: str = ""

    def take(self, tally: Tally) -> None:
        """Figures of a tally; a run that has lost, doubled or leaked anything has none."""
        self.lost, self.doubled, self.leaked = tally.lost, tally.doubled, tally.leaked
        if not tally.whole:
            self.error = f"{tally.lost} of {tally.wanted} lost, {tally.doubled} doubled"
            if tally.leaked:
                self.error += f", {tally.leaked} in other rooms"
            return
        self.figures.update(latencies(tally.took))

    def judge_load(self, seconds: float) -> None:
        """Say whether the load generator may be what was measured, in work that took so long."""
        self.load_seconds = seconds
        self.load_bound = self.load_cpu > BUSY * seconds


class Meter:
    """`with Meter(pod, run):` fills in what the block costs."""

    def __init__(self, pod: Pod, run: Run) -> None:
        self._pod, self._run = pod, run

    def __enter__(self) -> Meter:
        self._pod.sql("CHECKPOINT")
        self._counted = self._count()
        gc.collect()
        gc.disable()
        self._before = processes.snapshot(self._pod.containers)
        self._own = time.process_time()
        self._begun = time.perf_counter()
        return self

    def stop(self, looked: float = 0.0) -> None:
        """End here, not at the block's end; what was waited for after the work is not counted.

        `looked` is processor time that went into looking whether all is there: it is no load.
        """
        run = self._run
        if run.seconds:
            return
        run.seconds = time.perf_counter() - self._begun
        run.load_cpu = time.process_time() - self._own - looked
        run.judge_load(run.seconds)
        after = processes.snapshot(self._pod.containers)
        run.cpu = {k: round(v, 3) for k, v in processes.spent(self._before, after).items()}
        run.rss = processes.memory(after)
        run.processes = processes.table(self._before, after)

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.stop()
        gc.enable()
        if kind is None:
            now = self._count()
            self._run.postgres = {name: now[name] - self._counted[name] for name in COUNTED}

    def _count(self) -> dict[str, float]:
        row = self._pod.sql(COUNTERS)[0]
        return {name: float(value) for name, value in zip(COUNTED, row, strict=True)}
