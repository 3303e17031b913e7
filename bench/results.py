"""The file of results: every run, so that a stopped benchmark goes on where it was."""

from __future__ import annotations

import json
import os
import platform
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from load.statistic import medians
from meter import Run

FORMAT = 1


@dataclass
class Results:
    """Runs, and where they were made."""

    machine: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def done(self, scenario: str, case: str, design: str) -> int:
        """How often this was measured."""
        return sum(
            (run.scenario, run.case, run.design) == (scenario, case, design) for run in self.runs
        )

    def middle(self) -> dict[tuple[str, str, str], Run]:
        """One run for each (scenario, case, design): the median of every figure.

        A design that lost, doubled or leaked anything in any of its runs has no figure, and one run
        in which the load generator was full makes the median one of which that is said.
        """
        grouped: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
        for run in self.runs:
            grouped[run.scenario, run.case, run.design].append(run)
        return {key: _median(runs) for key, runs in grouped.items()}

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        content = {
            "format": FORMAT,
            "machine": self.machine,
            "runs": [asdict(r) for r in self.runs],
        }
        new = path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(path)


def _median(runs: list[Run]) -> Run:
    failed = [run for run in runs if run.error]
    first = runs[0]
    middle = Run(first.scenario, first.case, first.design, len(runs))
    middle.lost, middle.doubled = sum(r.lost for r in runs), sum(r.doubled for r in runs)
    middle.leaked = sum(r.leaked for r in runs)
    if failed:
        middle.error = failed[0].error
    else:
        middle.figures = medians([run.figures for run in runs])
    middle.cpu = medians([run.cpu for run in runs])
    middle.rss = {k: int(v) for k, v in medians([dict(r.rss) for r in runs]).items()}
    middle.postgres = medians([run.postgres for run in runs])
    middle.seconds = medians([{"s": run.seconds} for run in runs])["s"]
    middle.load_cpu = medians([{"s": run.load_cpu} for run in runs])["s"]
    middle.load_seconds = medians([{"s": run.load_seconds} for run in runs])["s"]
    middle.load_bound = any(run.load_bound for run in runs)
    middle.processes = runs[-1].processes
    return middle


def read(path: Path) -> Results:
    """Read a file of results; raises ValueError for one that this program does not understand."""
    content = json.loads(path.read_text())
    if content.get("format") != FORMAT:
        raise ValueError(f"{path} is of format {content.get('format')}, expected {FORMAT}")
    known = {each.name for each in fields(Run)}
    runs = [Run(**{k: v for k, v in run.items() if k in known}) for run in content["runs"]]
    return Results(content["machine"], runs)


def machine(versions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What the figures were taken on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        "kernel": platform.release().split("-")[0],
        "load before": f"{os.getloadavg()[0]:.1f}",
        **dict(versions),
    }
