"""`make chaos`: every fault in turn on a running stack, each judged by the ledger.

Exit status 0 when every scenario held, 1 when one did not, 2 when it could not run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import time
from pathlib import Path
from typing import Any

import report
import scenarios
from engine import EngineError
from ledger.people import People, Refused
from ledger.run import Loop, gather
from outcome import Outcome, closing, headline, summary
from runner import perform
from scenario import SCENARIOS, Scenario
from stack import Stack

# Accounts that share the sockets of every scenario.
MEMBERS = 8


def main() -> int:
    given = arguments()
    for module in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"scenarios.{module.name}")
    if given.list:
        return listing()
    if given.report:
        print(report.markdown(json.loads(given.json.read_text())))
        return 0
    chosen = choice(given)
    loop = Loop()
    outcomes: list[Outcome] = []
    began = time.time()
    with Stack(os.environ["CHATIRE_PROJECT"], int(os.environ["CHATIRE_PORT"])) as stack:
        people: People | None = None
        try:
            people = gather(loop, stack.url, MEMBERS)
            for place, each in enumerate(chosen, 1):
                headline(place, len(chosen), each)
                outcome = perform(each, stack, loop, people)
                outcomes.append(outcome)
                print(outcome.text(), flush=True)
                write(given.json, outcome)
        except (Refused, TimeoutError) as error:
            print(f"chaos: the accounts could not be made: {error!r}", file=sys.stderr)
            return 2
        finally:
            if people is not None:
                clean_up(stack, people)
    print(summary(outcomes))
    print(closing(outcomes, time.time() - began, given.json))
    return 0 if all(outcome.held for outcome in outcomes) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--fault", default="", help="names, separated by commas; all unless told")
    parser.add_argument("--short", action="store_true", help="only those that are not slow")
    parser.add_argument("--harmless", action="store_true", help="only those that risk no data")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--missing", action="store_true", help="not those that held in --json")
    parser.add_argument("--report", action="store_true", help="print --json as Markdown, and end")
    parser.add_argument("--json", type=Path, help="keep results here, beside those of other runs")
    return parser.parse_args()


def choice(given: argparse.Namespace) -> list[Scenario]:
    """The scenarios that were asked for; ends the program where one does not exist."""
    names = [name for name in given.fault.replace(",", " ").split() if name]
    if unknown := sorted(set(names) - set(SCENARIOS)):
        print(
            f"chaos: there is no scenario {', '.join(unknown)}; make chaos LIST=1 names them all.",
            file=sys.stderr,
        )
        sys.exit(2)
    chosen = [SCENARIOS[name] for name in names] or [
        each for each in SCENARIOS.values() if not each.alone
    ]
    if given.missing:
        done = {name for name, result in kept(given.json).items() if result["held"]}
        chosen = [each for each in chosen if each.name not in done]
    if given.short:
        chosen = [each for each in chosen if not each.slow]
    if given.harmless:
        if names and (risky := [each.name for each in chosen if not each.harmless]):
            print(
                f"chaos: {', '.join(risky)} would risk the data of a stack that is in use;"
                " without STACK=running it runs on a stack of its own.",
                file=sys.stderr,
            )
            sys.exit(2)
        chosen = [each for each in chosen if each.harmless]
    return chosen


def listing() -> int:
    """Print every scenario with its stated time of recovery."""
    for each in SCENARIOS.values():
        marks = ["slow"] * each.slow + ["harmless"] * each.harmless
        told = f"  ({', '.join(marks)})" if marks else ""
        print(f"  {each.name:<26}{each.within:>5g} s  {each.title}{told}")
    return 0


def kept(file: Path | None) -> dict[str, Any]:
    """The results that a file holds, by scenario."""
    if file is None or not file.exists() or not file.stat().st_size:
        return {}
    return {each["name"]: each for each in json.loads(file.read_text())["scenarios"]}


def write(file: Path | None, outcome: Outcome) -> None:
    """Keep a result at once, in the place of an earlier one: a run that was interrupted goes on."""
    if file is None:
        return
    machine = f"{os.cpu_count()} processors, {platform.system()} {platform.release()}"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    results = kept(file)
    results[outcome.scenario.name] = outcome.json() | {
        "when": when,
        "machine": machine,
        "load": round(os.getloadavg()[0], 1),
    }
    ordered = [results[name] for name in SCENARIOS if name in results]
    file.write_text(json.dumps({"scenarios": ordered}, indent=1) + "\n")


def clean_up(stack: Stack, people: People) -> None:
    """Remove the accounts and their rooms."""
    try:
        stack.manage("smoke_cleanup", "--prefix", people.prefix)
    except EngineError as error:
        print(f"chaos: the accounts {people.prefix}… are left behind: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
