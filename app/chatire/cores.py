"""The cores that this process may use, and how many processes the http tier makes of them."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

# Two replicas, or two units of a server, are the default: together they get a process a core.
# One process cannot use more than a core, for the interpreter's lock; more of them than cores were
# no faster (docs/performance.md).
REPLICAS = 2
# What the memory and the database connections of a replica are reckoned for. Who wants more
# processes adds replicas, or says so.
MOST_WORKERS = 4


def available(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Whole cores, one at least: those this process may be scheduled on, or less by its quota."""
    cores = len(os.sched_getaffinity(0))
    quota = _quota(cgroups, membership)
    return max(1, cores if quota is None else min(cores, int(quota)))


def http_workers(cores: int) -> int:
    """Processes of one replica of the http tier on a machine of so many cores."""
    return min(MOST_WORKERS, max(1, cores // REPLICAS))


def _quota(cgroups: Path, membership: Path) -> float | None:
    """The least share of processor time that a control group of this process grants, in cores."""
    quotas: list[float] = []
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the path may be that of the machine: what it sees is the mount's root.
        root = cgroups / controllers
        own = root / path.lstrip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(root):
                quotas += _granted(group)
    return min(quotas, default=None)


def _granted(group: Path) -> list[float]:
    """The quota of one control group, of either version; none where it has no limit."""
    try:
        if (group / "cpu.max").exists():
            limit, period = (group / "cpu.max").read_text().split()
        else:
            limit = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return [int(limit) / int(period)] if int(limit) > 0 else []
    except (OSError, ValueError):
        # No such file, or "max".
        return []
