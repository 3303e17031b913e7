"""Processor time and memory of every process of the pod, read from /proc."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CONTAINER = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Process:
    """One process at one moment."""

    role: str
    name: str
    # Its own seconds on a processor, and those of its children that have ended.
    seconds: float
    ended: float
    rss: int


def snapshot(containers: dict[str, str]) -> dict[int, Process]:
    """Every process of these containers (role -> id), by its number."""
    roles = {identity.encode(): role for role, identity in containers.items()}
    found: dict[int, Process] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            match = _CONTAINER.search((entry / "cgroup").read_bytes())
            role = roles.get(match[0]) if match else None
            if role is None:
                continue
            stat = (entry / "stat").read_text().rpartition(")")
            fields = stat[2].split()
            title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            pages = int((entry / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, system, ended_user, ended_system = (int(fields[n]) for n in (11, 12, 13, 14))
        found[int(entry.name)] = Process(
            role,
            _short(title or stat[0]),
            (user + system) / _TICKS,
            (ended_user + ended_system) / _TICKS,
            pages * _PAGE,
        )
    return found


def _short(title: str) -> str:
    """What a process is, without paths and addresses."""
    if title.startswith("postgres:"):
        words = title.split()
        return " ".join(words[:2])
    words = [word.rpartition("/")[2] for word in title.split()[:4]]
    return " ".join(words)[:40]


def spent(before: dict[int, Process], after: dict[int, Process]) -> dict[str, float]:
    """Seconds of processor time each role has used between two snapshots."""
    seconds: dict[str, float] = {}
    for number, process in after.items():
        old = before.get(number)
        used = process.seconds + process.ended
        if old is not None:
            used -= old.seconds + old.ended
        seconds[process.role] = seconds.get(process.role, 0.0) + used
    for number, process in before.items():
        if number not in after:
            # It ended in between, and is in its parent's account now, all of it.
            seconds[process.role] = seconds.get(process.role, 0.0) - process.seconds - process.ended
    return {role: max(0.0, used) for role, used in seconds.items()}


def memory(found: dict[int, Process]) -> dict[str, int]:
    """Resident bytes of the largest process of each role: a worker, not its supervisor."""
    largest: dict[str, int] = {}
    for process in found.values():
        largest[process.role] = max(largest.get(process.role, 0), process.rss)
    return largest


def total(found: dict[int, Process], role: str) -> int:
    """Resident bytes of all processes of a role together; what they share counts for each."""
    return sum(process.rss for process in found.values() if process.role == role)


def table(before: dict[int, Process], after: dict[int, Process]) -> list[dict[str, object]]:
    """Every process that did anything in between: role, name, seconds, MB."""
    rows: list[dict[str, object]] = []
    for number, process in after.items():
        old = before.get(number)
        used = process.seconds - (old.seconds if old else 0.0)
        if used >= 1 / _TICKS:
            rows.append(
                {
                    "role": process.role,
                    "name": process.name,
                    "cpu_s": round(used, 2),
                    "rss_mb": round(process.rss / 2**20, 1),
                }
            )
    return sorted(rows, key=lambda row: (str(row["role"]), -float(str(row["cpu_s"]))))
