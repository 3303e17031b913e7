"""The results of `make chaos` as the tables of docs/reliability.md."""

from __future__ import annotations

from typing import Any, NamedTuple

Result = dict[str, Any]

HEAD = (
    *("scenario", "what happens", "whole after, of", "sight p95, most", "away p95"),
    *("sockets cut", "messages", "wrong", ""),
)
WRONG = ("lost", "unseen", "doubled", "disorder", "gaps", "leaked")
SCENARIOS_GOAL, MESSAGES_GOAL = 30, 50_000
SIGHT, AWAY = ("ledger", "figures", "fault_sight", "p95"), ("ledger", "figures", "away", "p95")
SPREAD = ("told", "sockets back in one second at most")


class Goal(NamedTuple):
    """A figure that was set before anything was measured."""

    what: str
    scenario: str
    path: tuple[str, ...]
    most: float
    unit: str


GOALS = (
    Goal("sight after a ws worker's kill -9, 95th percentile", "ws-kill", SIGHT, 3, "s"),
    Goal("sight after a restart of PostgreSQL, once it accepts", "postgres-restart", SIGHT, 3, "s"),
    Goal("the same, after an immediate shutdown", "postgres-immediate", SIGHT, 3, "s"),
    Goal("the same, after a minute away", "postgres-away", SIGHT, 3, "s"),
    Goal("sight after the LISTEN connections are cut", "listen-cut", SIGHT, 1, "s"),
    Goal("sight after a black hole, ws to PostgreSQL", "ws-black-hole", SIGHT, 15, "s"),
    Goal("sight after a black hole, http to PostgreSQL", "http-black-hole", SIGHT, 15, "s"),
    Goal("sight from when connections die unnoticed", "ws-half-open", SIGHT, 15, "s"),
    Goal("a deploy and a rollback, 1,000 sockets: without one", "deploy", AWAY, 2, "s"),
    Goal("of 1,000 sockets, back within one second", "deploy", SPREAD, 250, ""),
)


class Total(NamedTuple):
    """What a full run adds up to, against its goal."""

    what: str
    value: int
    least: int

    @property
    def reached(self) -> bool:
        return self.value >= self.least

    @property
    def text(self) -> str:
        word = "reached" if self.reached else "not reached"
        return f"{self.what}: {self.value:,}, the goal is at least {self.least:,}: {word}."


def totals(scenarios: int, messages: int) -> tuple[Total, Total]:
    """The goals of a full run, with what it came to."""
    return (
        Total("scenarios", scenarios, SCENARIOS_GOAL),
        Total("messages", messages, MESSAGES_GOAL),
    )


def markdown(results: dict[str, Any]) -> str:
    """The figures against their goals, and a row a scenario with the sums below."""
    scenarios: list[Result] = results["scenarios"]
    return "\n".join([*_goals(scenarios), "", *_rows(scenarios), "", *_sums(scenarios)])


def _goals(scenarios: list[Result]) -> list[str]:
    found = {each["name"]: each for each in scenarios}
    lines = ["| figure | goal | found | |", "|---|---|---|---|"]
    for goal in GOALS:
        unit = f" {goal.unit}" if goal.unit else ""
        value: Any = found.get(goal.scenario)
        for step in goal.path:
            value = value.get(step) if value else None
        told, reached = "not measured", ""
        if value is not None:
            told = f"{value:.2f}{unit}" if goal.unit else f"{value:g}"
            reached = "reached" if value <= goal.most else "**not reached**"
        lines.append(f"| {goal.what} | at most {goal.most:g}{unit} | {told} | {reached} |")
    wrong = sum(map(_wrong, scenarios))
    for what, goal_, value, good in (
        *(
            (total.what, f"at least {total.least:,}", total.value, total.reached)
            for total in totals(len(scenarios), _messages(scenarios))
        ),
        ("lost, unseen, doubled, out of order, skipped, leaked", "0", wrong, not wrong),
    ):
        mark = "reached" if good else "**not reached**"
        lines.append(f"| {what} | {goal_} | {value:,} | {mark} |")
    return lines


def _rows(scenarios: list[Result]) -> list[str]:
    rows = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for each in scenarios:
        ledger = each["ledger"]
        if ledger is None:
            blank = " |" * (len(HEAD) - 3)
            rows.append(f"| `{each['name']}` | {each['title']} |{blank} no result |")
            continue
        figures = ledger["figures"]
        cells = (
            f"`{each['name']}`",
            each["title"],
            f"{each['whole_after']:.1f}, {each['promised']:g} s",
            f"{figures['fault_sight']['p95']:.2f}, {figures['fault_sight']['max']:.2f} s",
            f"{figures['away']['p95']:.2f} s",
            str(figures["away"]["count"]),
            f"{ledger['stored']:,}",
            str(_wrong(each)),
            "held" if each["held"] else _cell("; ".join(each["failures"]) or "did not hold"),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _sums(scenarios: list[Result]) -> list[str]:
    held = sum(each["held"] for each in scenarios)
    loads = [each["load"] for each in scenarios if "load" in each]
    whens = sorted(each["when"] for each in scenarios)
    return [
        f"{held} of {len(scenarios)} scenarios held.",
        f"Taken on {scenarios[0]['machine']}, {whens[0]} to {whens[-1]},"
        f" with {min(loads):g} to {max(loads):g} processes that wanted to run (load average).",
    ]


def _cell(text: str) -> str:
    """A text that may have lines and bars, for a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _messages(scenarios: list[Result]) -> int:
    return sum(each["ledger"]["stored"] for each in scenarios if each["ledger"])


def _wrong(each: Result) -> int:
    """How many violations of what docs/protocol.md promises that a scenario found."""
    return sum(each["ledger"]["violations"][kind] for kind in WRONG) if each["ledger"] else 0
