"""The units of the hosts: all there, of the release in use, each with little that it may do."""

from __future__ import annotations

import re

import pytest

from servers import Machine, Servers, Unit
from target import said

# Each its own, so that what breaks into one reads nothing of another's.
USERS = {
    "postgres": "postgres",
    "http": "chatire-http",
    "ws": "chatire-ws",
    "nginx": "www-data",
}
# Of ten, by systemd's own measure; a unit without any sandbox has 9.6.
EXPOSURE_AT_MOST = 2.5
# What gunicorn takes on at once (worker_connections), and room for all else that a process opens.
CONNECTIONS, BESIDES = 1000, 256
# The most that a unit is given, however many sockets are asked for.
FILES_AT_MOST = 20000


def test_no_unit_has_failed(machine: Machine) -> None:
    assert machine.check("systemctl --failed --plain --no-legend") == ""


@pytest.mark.parametrize("role", ["http", "ws"])
def test_as_many_processes_are_there_as_were_asked_for(machine: Machine, role: str) -> None:
    if role not in machine.roles:
        pytest.skip(f"{machine} is no host of the {role} tier")
    asked = str(machine.variables[f"chatire_{role}_processes"])
    if not asked.isdigit():
        pytest.skip(f"only Ansible itself knows the number: {asked}")
    expected = {f"chatire-{role}@{number}.service" for number in range(1, int(asked) + 1)}
    assert set(machine.units(f"chatire-{role}@*.service")) == expected


def test_one_host_removes_what_is_over_each_night(servers: Servers) -> None:
    enabled = "systemctl is-enabled chatire-flush.timer || :"
    at_it = [
        machine for machine in servers.machines() if machine.check(enabled).strip() == "enabled"
    ]
    assert len(at_it) == 1, at_it
    assert "http" in at_it[0].roles
    told = at_it[0].check(
        "systemctl show --property=NextElapseUSecRealtime --value chatire-flush.timer"
    )
    assert told.strip(), "the timer has no time to come"


def test_it_runs_and_is_started_at_a_boot(node: Unit) -> None:
    for question in ("is-active", "is-enabled"):
        asked = node.machine.root(f"systemctl {question} %s", node.unit)
        assert asked.rc == 0, said(asked)


def test_it_runs_the_release_in_use(tier: Unit) -> None:
    root = tier.machine.variables["chatire_root"]
    current = tier.machine.check("readlink -e %s", f"{root}/current").strip()
    folders = [f"/proc/{process.pid}/cwd" for process in tier.processes]
    used = tier.machine.check(" ".join(["readlink", *folders])).split()
    assert set(used) == {f"{current}/app"}, used


def test_it_has_a_user_of_its_own(node: Unit) -> None:
    assert node.show("User")["User"] == USERS[node.role]


def test_it_is_exposed_little(node: Unit) -> None:
    told = node.machine.check("systemd-analyze security --no-pager %s", node.unit)
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", told)
    assert exposure, told
    assert float(exposure[1]) <= EXPOSURE_AT_MOST, told


def test_it_may_open_as_many_files_as_it_has_connections(tier: Unit) -> None:
    connections = CONNECTIONS
    if tier.role == "ws":
        named = "sed -n s/^CHATIRE_WS_MAX_SOCKETS=//p /etc/chatire/ws.env"
        connections = int(tier.machine.check(named))
    limits = tier.machine.check("cat /proc/%s/limits", str(tier.main_pid))
    files = re.search(r"Max open files\s+(\d+)", limits)
    assert files, limits
    assert int(files[1]) >= min(connections + BESIDES, FILES_AT_MOST), limits
