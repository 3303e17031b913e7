"""Every node runs with as little as it needs."""

from __future__ import annotations

import pytest

from target import Node, said

# A log that never rotates fills the disk; so does one that keeps gigabytes a node.
LOG_BYTES_AT_MOST = 500 * 2**20


def test_it_is_told_to_run_as_a_numeric_user(node: Node) -> None:
    user = node.declared_user.split(":")[0]
    assert user.isdigit(), f"{node} is declared to run as {node.declared_user!r}"
    assert int(user) > 0


def test_every_process_runs_as_that_user(node: Node) -> None:
    expected = int(node.declared_user.split(":")[0])
    processes = node.processes
    assert processes, f"{node} has no process"
    assert {process.uid for process in processes} == {expected}, processes


def test_its_root_file_system_is_read_only(node: Node) -> None:
    assert node.root_is_read_only
    attempt = node.run("touch /chatire-probe && rm /chatire-probe", as_root=True)
    assert attempt.rc != 0, said(attempt)


def test_no_process_holds_or_can_regain_a_capability(node: Node) -> None:
    holders = [process for process in node.processes if process.effective or process.bounding]
    assert not holders, holders


def test_no_process_can_gain_privileges(node: Node) -> None:
    unbound = [process for process in node.processes if not process.no_new_privileges]
    assert not unbound, unbound


def test_system_calls_are_filtered(node: Node) -> None:
    unfiltered = [process for process in node.processes if process.seccomp == 0]
    assert not unfiltered, unfiltered


def test_no_file_in_reach_raises_privileges(node: Node) -> None:
    """Set-uid files are harmless under no_new_privileges; the nodes have no use for them."""
    if not node.has_a_system_of_its_own:
        pytest.skip("the host's own set-uid files are there; no_new_privileges is tested above")
    found = node.run("find / -xdev -perm /6000 -type f 2>/dev/null")
    executable = [path for path in found.stdout.split() if not path.startswith("/proc")]
    assert not executable, said(found)


def test_it_is_bounded_in_memory(node: Node) -> None:
    assert node.limits.memory_bytes, f"{node} may take all the memory there is"


def test_it_is_bounded_in_processes(node: Node) -> None:
    assert (node.limits.processes or 0) > 0


def test_its_log_is_bounded(node: Node) -> None:
    assert node.limits.log_bytes, f"the log of {node} grows for ever"
    assert node.limits.log_bytes <= LOG_BYTES_AT_MOST


def test_it_is_restarted_when_it_ends(node: Node) -> None:
    assert node.restarts_by_itself


def test_it_has_a_health_check_that_passes(node: Node) -> None:
    health = node.health
    assert health.check, f"{node} has no health check"
    assert health.passing, health


def test_the_engine_or_supervisor_is_out_of_reach(node: Node) -> None:
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/systemd/private"):
        attempt = node.run("test -w %s", path)
        assert attempt.rc != 0, said(attempt)


def test_it_cannot_write_what_it_runs(node: Node) -> None:
    attempt = node.run(
        "for path in / /etc /etc/passwd /usr /usr/bin; do test -w $path && exit 1; done; true"
    )
    assert attempt.rc == 0, said(attempt)
