"""How many processes the http tier makes of the cores that it is granted."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from chatire import cores, env

SCALING = Path(__file__).resolve().parents[3] / "docs/scaling.md"


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def granted(tmp_path: Path, membership: str, **files: str) -> int:
    """The cores by a tree of control groups: file, with __ for /, and its content."""
    for name, content in files.items():
        path = tmp_path / "groups" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "membership").write_text(membership)
    return cores.available(tmp_path / "groups", tmp_path / "membership")


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("limit", "expected"), [("max 100000", 8), ("350000 100000", 3), ("50000 100000", 1)]
)
def test_a_quota_in_whole_cores_counts_and_one_core_is_the_least(
    tmp_path: Path, limit: str, expected: int
) -> None:
    files = {"system.slice__http.service__cpu.max": f"{limit}\n"}
    assert granted(tmp_path, "0::/system.slice/http.service\n", **files) == expected


@pytest.mark.usefixtures("eight")
def test_the_least_quota_of_all_groups_around_the_process_counts(tmp_path: Path) -> None:
    files = {"a__cpu.max": "200000 100000\n", "a__b__cpu.max": "400000 100000\n"}
    assert granted(tmp_path, "0::/a/b\n", **files) == 2


@pytest.mark.usefixtures("eight")
def test_a_container_that_is_told_the_machines_path_sees_its_quota_at_the_root(
    tmp_path: Path,
) -> None:
    membership = "7:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/docker/x\n"
    files = {
        "cpu,cpuacct__cpu.cfs_quota_us": "400000\n",
        "cpu,cpuacct__cpu.cfs_period_us": "100000\n",
    }
    assert granted(tmp_path, membership, **files) == 4


@pytest.mark.usefixtures("eight")
def test_without_a_quota_it_is_the_cores_that_one_may_run_on(tmp_path: Path) -> None:
    files = {"cpu__x__cpu.cfs_quota_us": "-1\n", "cpu__x__cpu.cfs_period_us": "100000\n"}
    assert granted(tmp_path, "2:cpu:/x\n0::/\n", **files) == 8
    assert cores.available(tmp_path / "none", tmp_path / "none") == 8


def test_what_is_set_wins_over_what_is_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available", lambda: 6)
    assert env.load({"CHATIRE_ENV": "test"}).http_workers == 3
    assert env.load({"CHATIRE_ENV": "test", "CHATIRE_HTTP_WORKERS": ""}).http_workers == 3
    assert env.load({"CHATIRE_ENV": "test", "CHATIRE_HTTP_WORKERS": "1"}).http_workers == 1


def test_the_table_of_the_documentation_is_what_is_reckoned() -> None:
    """Of a host with two replicas: cores, processes, threads, connections."""
    rows = re.findall(
        r"^\| (\d+) cores? \| 2 . (\d) \| (\d+) \| (\d+) \|$", SCALING.read_text(), re.MULTILINE
    )
    assert len(rows) >= 4
    threads = env.load({"CHATIRE_ENV": "test"}).http_threads
    for machine, workers, at_once, connections in rows:
        assert int(workers) == cores.http_workers(int(machine))
        assert int(at_once) == 2 * int(workers) * threads
        assert int(connections) == 2 * int(workers) * (threads + 1)
