"""Measure chatire against other designs, all on this machine and in this run.

    python run.py [SCENARIO …] --json FILE [--targets 'NAME …'] [--runs N] [--quick] [--fresh]
                  [--minutes N]

Started by `make bench`, inside the pod. `goals` for a scenario stands for what the goals are judged
by, and nothing else. Results are kept run by run: stopped, by --minutes or otherwise, and started
again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvloop

import goals
import plots
import tables
from meter import Run
from results import Results, machine, read
from scenarios import SCENARIOS
from scenarios.case import Case, Scenario
from targets import DESIGNS, titles
from targets.chatire import prepare
from targets.design import Design
from targets.pod import Pod, PodError
from versions import versions

# Stands in WHAT for what the goals are judged by.
GOALS = "goals"
# Bounds every case: more than the slowest design needs for the longest one.
CASE_SECONDS = 240.0


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("what", nargs="*", metavar="SCENARIO", help=f"of {', '.join(names)}, goals")
    parser.add_argument("--targets", default="", help=f"of {', '.join(DESIGNS)}; else all")
    parser.add_argument("--runs", type=int, default=0, help="runs of each; medians are shown (3)")
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--minutes", type=float, help="begin nothing more after so long")
    parser.add_argument("--fresh", action="store_true", help="measure again what is in the file")
    parser.add_argument("--json", type=Path, required=True, help="the file of results")
    parser.add_argument("--plots", type=Path, help="a folder for pictures")
    parser.add_argument("--compare", type=Path, help="an older file of results")
    options = parser.parse_args(given)
    options.targets = options.targets.split()
    unknown = set(options.what) - {*names, GOALS}
    if unknown:
        parser.error(
            f"WHAT names {', '.join(sorted(unknown))}; there are {', '.join(names)}, goals"
        )
    unknown = set(options.targets) - set(DESIGNS)
    if unknown:
        parser.error(f"TARGETS names {', '.join(sorted(unknown))}; there are {', '.join(DESIGNS)}")
    options.runs = options.runs or (1 if options.quick else 3)
    return options


def progress(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", file=sys.stderr, flush=True)


async def measure(case: Case, design: Design, run: Run) -> None:
    """One run of one case; whatever goes wrong stands in the run and stops nothing else."""
    run.at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await case.measure(design, run)
    except (OSError, TimeoutError, PodError, asyncio.IncompleteReadError) as error:
        run.figures = {}
        run.error = f"{type(error).__name__}: {error}".splitlines()[0][:300]


def wanted(scenario: str, case: str, design: str, what: list[str]) -> bool:
    """Whether a case was asked for: by its scenario's name, or because a goal needs it."""
    if not what or scenario in what:
        return True
    return GOALS in what and (scenario, case, design) in goals.needed()


def one_round(
    scenario: Scenario, design: Design, number: int, options: argparse.Namespace, results: Results
) -> None:
    """All cases of a scenario that this design still lacks in this round."""
    missing = [
        case
        for case in scenario.cases(options.quick)
        if results.done(scenario.name, case.name, design.name) <= number
        and wanted(scenario.name, case.name, design.name, options.what)
    ]
    if not missing:
        return
    progress(f"{scenario.name}, round {number + 1}: {design.title} starts")
    try:
        scenario.start(design)
        for case in missing:
            run = Run(scenario.name, case.name, design.name, number)
            begun = time.monotonic()
            uvloop.run(measure(case, design, run))
            results.runs.append(run)
            results.write(options.json)
            said = run.error or ", ".join(f"{k} {v:,.1f}" for k, v in list(run.figures.items())[:6])
            progress(f"  {case.name}: {said} ({time.monotonic() - begun:.0f} s)")
            if run.error:
                for role in design.workers:
                    if role in design.pod.containers and not design.pod.lives(role):
                        progress(design.pod.log(role))
    except PodError as error:
        progress(f"  {error}")
        results.runs += [
            Run(scenario.name, case.name, design.name, number, error=str(error).splitlines()[-1])
            for case in missing
        ]
    finally:
        design.stop()


def rounds(options: argparse.Namespace) -> Iterator[tuple[Scenario, int, str]]:
    """Scenario, number of the round, design: the designs of a scenario right after each other."""
    for scenario in SCENARIOS:
        for number in range(options.runs):
            for name in scenario.designs:
                if not options.targets or name in options.targets:
                    yield scenario, number, name


def main(given: list[str]) -> int:
    options = arguments(given)
    results = Results()
    if options.json.exists() and not options.fresh:
        results = read(options.json)
    ends = time.monotonic() + 60 * (options.minutes or float("inf"))
    pod = Pod()
    try:
        progress("PostgreSQL starts, and what every run needs is made")
        pod.start_postgres()
        pod.sql("CREATE DATABASE designs")
        prepare(pod)
        results.machine = machine(versions(pod))
        for scenario, number, name in rounds(options):
            if time.monotonic() > ends:
                progress(f"{options.minutes:g} minutes are over: run it again to go on")
                break
            one_round(scenario, DESIGNS[name](pod), number, options, results)
    except (PodError, httpx.HTTPError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    results.write(options.json)
    tables.show(results, titles())
    tables.show_machine(results)
    tables.show_goals(results)
    if options.compare:
        tables.show_changes(read(options.compare), results, titles())
    if options.plots:
        for picture in plots.draw(results, titles(), options.plots):
            progress(f"drawn: {picture}")
    print(f"\nResults are in {options.json}; run it again to go on, with FRESH=1 to begin anew.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
