"""What the audits found, for programs (dist/audit/) and for people (a table at the end)."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab import REPOSITORY

RESULTS = Path(os.environ.get("CHATIRE_AUDIT_RESULTS", REPOSITORY / "dist" / "audit"))
WAIVERS = Path(__file__).with_name("waivers.toml")


@dataclass(frozen=True)
class Verdict:
    """One line of the table. `next` says what to do about it; empty where nothing is to be done."""

    audit: str
    wanted: str
    found: str
    holds: bool
    next: str = ""


@dataclass
class Findings:
    """The verdicts of one run."""

    verdicts: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict, and write all there are to summary.json."""
        self.verdicts.append(verdict)
        keep("summary.json", json.dumps([asdict(each) for each in self.verdicts], indent=1))

    def table(self) -> Iterable[str]:
        """The lines for people."""
        rows = [("audit", "wanted", "found", "")]
        rows += [(v.audit, v.wanted, v.found, "ok" if v.holds else "FAILED") for v in self.verdicts]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            yield "  ".join(map(str.ljust, row, widths)).rstrip()
        for verdict in self.verdicts:
            if verdict.next:
                yield f"{verdict.audit}: {verdict.next}"


def keep(name: str, text: str) -> Path:
    """Write a tool's own result to dist/audit/; returns its path."""
    path = RESULTS / name
    path.write_text(text)
    return path


def waivers(tool: str) -> Mapping[str, str]:
    """A tool's waived findings with their reasons. Raises ValueError for one without."""
    with WAIVERS.open("rb") as file:
        waived: dict[str, Any] = tomllib.load(file)[tool]
    for name, reason in waived.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"{WAIVERS}: the waiver of {tool}'s {name} has no reason; write one")
    return waived


def held_against(found: Sequence[str], waived: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The findings that nobody waived, and the waivers that nothing was found for."""
    return sorted(set(found) - set(waived)), sorted(set(waived) - set(found))
