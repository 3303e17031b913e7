"""What a scenario came to, for people and for machines."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.run import Result
from ledger.verdict import KINDS
from report import Total
from scenario import Scenario

COLOURED = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


@dataclass
class Outcome:
    """One scenario's."""

    scenario: Scenario
    result: Result | None = None
    whole_after: float = 0.0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return self.result is not None and self.result.clean and not self.failures

    def hold_to_goals(self) -> None:
        """Add a failure for each figure of the ledger that is beyond its goal."""
        if self.result is None:
            return
        figures = self.result.figures.json()
        for path, goal in self.scenario.goals.items():
            name, _, which = path.partition(".")
            value = figures[name][which]
            if value > goal:
                self.failures.append(f"{path} is {value} s, the goal is {goal:g} s")

    def text(self) -> str:
        """A few lines: how it went, and everything that is wrong."""
        lines = []
        if self.result is not None:
            figures = self.result.figures
            lines.append(
                f"    whole after {self.whole_after:.1f} s (promised: {self.scenario.within:g} s);"
                f" {self.result.stored} messages; sight p95 {figures.sight.p95:.2f} s,"
                f" around the fault {figures.fault_sight.p95:.2f} s;"
                f" {figures.away.count} sockets away, p95 {figures.away.p95:.2f} s"
            )
            if not self.result.acked:
                lines.append(f"    {coloured('31', 'nothing was acknowledged: nothing is proven')}")
            for kind, faults in self.result.verdict.kinds.items():
                if faults.count:
                    lines.append(f"    {coloured('31', f'{faults.count} {KINDS[kind]}')}")
                    lines += [f"      {example}" for example in faults.examples]
        if self.figures:
            told = ", ".join(f"{name} {value:g}" for name, value in self.figures.items())
            lines.append(f"    {told}")
        lines += [f"    {coloured('31', failure)}" for failure in self.failures]
        word = coloured("32", "held") if self.held else coloured("31", "did not hold")
        lines.append(f"    {word} ({self.seconds:.0f} s)")
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        return {
            "name": self.scenario.name,
            "title": self.scenario.title,
            "slow": self.scenario.slow,
            "held": self.held,
            "promised": self.scenario.within,
            "whole_after": round(self.whole_after, 2),
            "seconds": round(self.seconds, 1),
            "failures": self.failures,
            "goals": dict(self.scenario.goals),
            "told": self.figures,
            "restarts": dict(Counter(self.restarts)),
            "before": self.before,
            "after": self.after,
            "ledger": self.result.json() if self.result else None,
        }


def coloured(code: str, text: str) -> str:
    """The text in a colour where people look at it."""
    return f"\033[{code}m{text}\033[0m" if COLOURED else text


def headline(place: int, of: int, scenario: Scenario) -> None:
    """Say what begins."""
    print(
        f"{place}/{of} {coloured('1', scenario.name)}: {scenario.title}"
        f" (some {scenario.seconds:g} s)",
        flush=True,
    )


def summary(outcomes: list[Outcome]) -> str:
    """One line a scenario; violations of all kinds added up."""
    head = (
        f"{'scenario':<26}{'whole':>8}{'of':>5}{'sight':>8}{'away':>8}{'messages':>10}{'wrong':>7}"
    )
    lines = ["", head]
    for outcome in outcomes:
        result = outcome.result
        if result is None:
            lines.append(f"{outcome.scenario.name:<26}  {coloured('31', 'no result')}")
            continue
        wrong = sum(faults.count for faults in result.verdict.kinds.values())
        mark = coloured("32", "held") if outcome.held else coloured("31", "did not hold")
        lines.append(
            f"{outcome.scenario.name:<26}{outcome.whole_after:>7.1f}s"
            f"{outcome.scenario.within:>5g}{result.figures.fault_sight.p95:>7.2f}s"
            f"{result.figures.away.p95:>7.2f}s{result.stored:>10}{wrong:>7}  {mark}"
        )
    lines.append("whole: seconds to recovery, of the promised; sight, away: 95th percentiles")
    return "\n".join(lines)


def stored(outcomes: list[Outcome]) -> int:
    """The messages of all of them."""
    return sum(outcome.result.stored for outcome in outcomes if outcome.result)


def closing(
    outcomes: list[Outcome], seconds: float, file: Path | None, totals: Sequence[Total]
) -> str:
    """The last lines: the whole, what to do next, and what a full run adds up to."""
    lines = [_whole(outcomes, seconds, file)]
    lines += [total.text if total.reached else coloured("31", total.text) for total in totals]
    return "\n".join(lines)


def _whole(outcomes: list[Outcome], seconds: float, file: Path | None) -> str:
    bad = [outcome.scenario.name for outcome in outcomes if not outcome.held]
    kept = f"; {file} has the details" if file else ""
    if bad:
        return (
            f"\n{len(bad)} of {len(outcomes)} scenarios did not hold: {', '.join(bad)}{kept}."
            f"\nNext: make chaos FAULT={bad[0]} for one of them alone."
        )
    return (
        f"\nAll {len(outcomes)} scenarios held: {stored(outcomes)} messages, none lost, unseen,"
        f" doubled, out of order or leaked ({seconds / 60:.0f} min){kept}."
    )
