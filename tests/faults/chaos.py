"""`make chaos`: every fault in turn on a running stack or on servers, each judged by the ledger.

Exit status 0 when every scenario held, 1 when one did not or a full run misses its goals, 2 when it
could not run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import report
import scenarios
from composed import Composed
from engine import EngineError
from ledger.http import Untrusted
from ledger.people import People, Refused
from ledger.run import Loop, gather
from outcome import Outcome, closing, headline, stored, summary
from runner import perform
from scenario import SCENARIOS, Scenario
from servers import Servers
from stack import Stack

# Accounts that share the sockets of every scenario.
MEMBERS = 8
# On servers, unless told: others talk there as well, and all this comes from one address.
CLIENTS, RATE = 50, 25.0


def main() -> int:
    given = arguments()
    for module in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"scenarios.{module.name}")
    if given.list:
        return listing(given)
    if given.report:
        print(report.markdown(json.loads(given.json.read_text())))
        return 0
    chosen = choice(given)
    if not given.fault and (
        left := [each.name for each in SCENARIOS.values() if not runs(each, given)]
    ):
        print(f"Left out on servers (LIST=1 says why): {', '.join(left)}.")
    outcomes: list[Outcome] = []
    began = time.time()
    try:
        with at(given) as stack:
            perform_all(chosen, stack, given.json, outcomes)
    except (EngineError, Refused, Untrusted, TimeoutError, OSError) as error:
        print(f"chaos: could not be run: {str(error) or repr(error)}", file=sys.stderr)
        return 2
    print(summary(outcomes))
    totals = report.totals(len(outcomes), stored(outcomes)) if full(given) else ()
    print(closing(outcomes, time.time() - began, given.json, totals))
    held = all(outcome.held for outcome in outcomes)
    return 0 if held and all(total.reached for total in totals) else 1


def full(given: argparse.Namespace) -> bool:
    """Whether nothing was left out or made smaller: only then the goals of the whole count."""
    less = given.fault, given.short, given.harmless, given.missing, given.clients, given.rate
    return not given.inventory and not any(less)


def at(given: argparse.Namespace) -> Stack:
    """Where the faults are to happen. Raises EngineError."""
    if given.inventory:
        return Servers(given.inventory)
    return Composed(os.environ["CHATIRE_PROJECT"], int(os.environ["CHATIRE_PORT"]))


def perform_all(
    chosen: list[Scenario], stack: Stack, file: Path | None, outcomes: list[Outcome]
) -> None:
    """One after the other, with accounts that go again; raises where those cannot be made."""
    loop = Loop()
    people = gather(loop, stack.url, MEMBERS)
    try:
        for place, each in enumerate(chosen, 1):
            headline(place, len(chosen), each)
            outcome = perform(each, stack, loop, people)
            outcomes.append(outcome)
            print(outcome.text(), flush=True)
            write(file, outcome, stack.machine)
    finally:
        clean_up(stack, people)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--inventory", help="Ansible's, of the servers; a Compose stack unless told"
    )
    parser.add_argument("--clients", type=int, default=0, help="sockets at most in a scenario")
    parser.add_argument("--rate", type=float, default=0, help="messages a second at most")
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
    if given.inventory and (odd := [name for name in names if SCENARIOS[name].compose_only]):
        print(
            f"chaos: {odd[0]} is left out on servers: {SCENARIOS[odd[0]].compose_only}.",
            file=sys.stderr,
        )
        sys.exit(2)
    chosen = [SCENARIOS[name] for name in names] or [
        each for each in SCENARIOS.values() if not each.alone and runs(each, given)
    ]
    if given.missing:
        done = {name for name, result in kept(given.json).items() if result["held"]}
        chosen = [each for each in chosen if each.name not in done]
    if given.short:
        chosen = [each for each in chosen if not each.slow]
    if given.harmless:
        if names and (risky := [each.name for each in chosen if not each.harmless]):
            print(
                f"chaos: {', '.join(risky)} would risk the data of whoever uses it; RISK=yes does"
                " that, and on compose, without STACK=running, it runs on a stack of its own.",
                file=sys.stderr,
            )
            sys.exit(2)
        chosen = [each for each in chosen if each.harmless]
    return [sized(each, given) for each in chosen]


def runs(each: Scenario, given: argparse.Namespace) -> bool:
    """Whether a scenario makes sense there."""
    return not (given.inventory and each.compose_only)


def sized(each: Scenario, given: argparse.Namespace) -> Scenario:
    """A scenario with as much traffic as is wanted at most."""
    clients = given.clients or (CLIENTS if given.inventory else each.size.clients)
    rate = given.rate or (RATE if given.inventory else each.size.rate)
    size = each.size
    fewer = replace(size, clients=min(clients, size.clients), rate=min(rate, size.rate))
    return replace(each, size=fewer)


def listing(given: argparse.Namespace) -> int:
    """Print every scenario with its stated time of recovery, and what is left out with why."""
    for each in SCENARIOS.values():
        if not runs(each, given):
            continue
        marks = ["slow"] * each.slow + ["harmless"] * each.harmless
        told = f"  ({', '.join(marks)})" if marks else ""
        print(f"  {each.name:<26}{each.within:>5g} s  {each.title}{told}")
    for each in SCENARIOS.values():
        if not runs(each, given):
            print(f"  {each.name:<26}   not on servers: {each.compose_only}")
    return 0


def kept(file: Path | None) -> dict[str, Any]:
    """The results that a file holds, by scenario."""
    if file is None or not file.exists() or not file.stat().st_size:
        return {}
    return {each["name"]: each for each in json.loads(file.read_text())["scenarios"]}


def write(file: Path | None, outcome: Outcome, machine: str) -> None:
    """Keep a result at once, in the place of an earlier one: a run that was interrupted goes on."""
    if file is None:
        return
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
