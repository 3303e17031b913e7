"""One scenario from a whole stack to a whole stack."""

from __future__ import annotations

import sys
import time
import traceback

from engine import EngineError
from ledger.figures import Span
from ledger.people import People
from ledger.run import Ledger, Loop
from outcome import Outcome
from readings import compare
from scenario import Broken, Run, Scenario
from stack import TIERS, Stack

# The stack is whole before anything is done to it.
WHOLE_FIRST = 90.0
# Traffic before the fault: pools have grown, caches are warm.
WARM_SECONDS = 3.0
# What was read before is compared with what is read so long after all was whole.
AFTER_SECONDS = 2.0
# Whole is what stays whole.
STEADY_SECONDS = 1.0


def perform(scenario: Scenario, stack: Stack, loop: Loop, people: People) -> Outcome:
    """Run a scenario; never raises for what it finds."""
    started = time.time()
    outcome = Outcome(scenario)
    stack.watch.forget(started - 5)
    try:
        wait_whole(stack, None, WHOLE_FIRST)
        ledger = Ledger(loop, people, scenario.size)
        ledger.begin()
    except Exception as error:
        outcome.failures.append(f"could not begin: {error!r}")
        outcome.seconds = time.time() - started
        return outcome
    run = Run(stack, ledger, lambda text: print(f"    {text}", flush=True))
    try:
        _under_traffic(scenario, run, outcome)
    except (Broken, EngineError) as error:
        outcome.failures.append(str(error))
    except Exception:
        outcome.failures.append(f"the scenario broke: {traceback.format_exc(limit=-3)}")
    finally:
        _heal(run, outcome)
    try:
        ledger.settle(scenario.settle)
        span = Span(run.began, run.counts, run.began + outcome.whole_after) if run.began else None
        if span and outcome.whole_after:
            span = Span(run.began, run.counts, run.counts + outcome.whole_after)
        outcome.result = ledger.judge(stack.psql, span)
    except Exception as error:
        outcome.failures.append(f"no verdict: {error!r}")
    finally:
        ledger.close()
    outcome.failures += run.failures
    outcome.figures = run.figures
    outcome.hold_to_goals()
    outcome.seconds = time.time() - started
    return outcome


def _under_traffic(scenario: Scenario, run: Run, outcome: Outcome) -> None:
    stack = run.stack
    run.ledger.remove(0)
    time.sleep(WARM_SECONDS)
    run.before = stack.readings()
    began = time.time()
    scenario.function(run)
    if not run.began:
        raise Broken(f"{scenario.name} never said run.fault()")
    outcome.whole_after = wait_whole(stack, run, scenario.within) - run.counts
    time.sleep(AFTER_SECONDS)
    after = stack.readings()
    outcome.before, outcome.after = run.before.json(), after.json()
    outcome.failures += compare(run.before, after, run.ledger.size.clients)
    for event in stack.watch.events(began, "die"):
        outcome.restarts.append(event.service)
        if event.service not in scenario.restarts:
            outcome.failures.append(f"one of {event.service} ended, and nobody told it to")


def wait_whole(stack: Stack, run: Run | None, within: float) -> float:
    """Wait until every replica is ready, all is healthy, and every client is served.

    Returns since when that has been so. Raises Broken with what is not, after `within` seconds
    from when the fault was healed.
    """
    deadline = (run.counts if run else time.time()) + within
    since: float | None = None
    while True:
        wrong = not_whole(stack, run)
        now = time.time()
        if wrong:
            since = None
            if now > deadline:
                raise Broken(f"not whole within {within:g} s: {'; '.join(wrong)}")
        else:
            since = since or now
            if now - since >= STEADY_SECONDS:
                return since
        time.sleep(0.2)


def not_whole(stack: Stack, run: Run | None) -> list[str]:
    """What is not as it should be just now."""
    if run is not None and not run.ledger.whole():
        return [f"clients: {run.ledger.line}"]
    tiers = {each.id: str(each) for tier in TIERS for each in stack.containers(tier)}
    return stack.watch.unready(tiers) or stack.healthy()


def _heal(run: Run, outcome: Outcome) -> None:
    """Undo whatever the scenario said is to be undone."""
    for undo in reversed(run.undo):
        try:
            undo()
        except Exception as error:
            outcome.failures.append(f"could not be undone: {error!r}")
            print(f"    could not be undone: {error!r}", file=sys.stderr)
