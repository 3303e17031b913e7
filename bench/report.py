"""Figures for people, as an aligned table, and for programs, as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_GREEN, _RED, _PLAIN = "\033[32m", "\033[31m", "\033[0m"


@dataclass(frozen=True)
class Figure:
    """One thing measured. `at_most` is the goal; None stands for a figure without one."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        return "ok" if self.value <= self.at_most else "over"


def number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.1f}"


def table(figures: list[Figure], coloured: bool) -> str:
    """Columns: what, measured, goal, verdict, note."""
    rows = [
        (
            figure.name,
            f"{number(figure.value)} {figure.unit}".strip(),
            "" if figure.at_most is None else f"≤ {number(figure.at_most)} {figure.unit}".strip(),
            figure.verdict,
            figure.note,
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, measured, goal, verdict, note in rows:
        shown = verdict.ljust(widths[3])
        if coloured and verdict:
            shown = f"{_GREEN if verdict == 'ok' else _RED}{shown}{_PLAIN}"
        lines.append(
            f"{name.ljust(widths[0])}  {measured.rjust(widths[1])}  {goal.rjust(widths[2])}"
            f"  {shown}  {note}".rstrip()
        )
    return "\n".join(lines)


def show(figures: list[Figure]) -> None:
    """Print the table; in colour on a terminal only, and not where NO_COLOR is set."""
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(table(figures, coloured))


def write(figures: list[Figure], path: Path, about: dict[str, object]) -> None:
    """Write the figures as JSON, with what they were measured on."""
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release().split("-")[0],
            "python": platform.python_version(),
        },
        **about,
        "figures": [asdict(figure) | {"verdict": figure.verdict} for figure in figures],
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
