"""What the base role claims of each host, and PostgreSQL's share of its host's memory."""

from __future__ import annotations

import re

import pytest

from servers import Machine, Servers
from target import Target

JOURNALD = "/etc/systemd/journald.conf.d/chatire.conf"
SYSCTL = "/etc/sysctl.d/60-chatire.conf"
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
# Besides its bound, journald keeps the file that it writes to.
JOURNAL_ROOM = 1.1
# Of the machine's memory in PostgreSQL's settings: another kernel counts it a little differently.
MEMORY_NEAR = 0.02
# By the setting, in MiB: its part of the memory, and the least and the most of it.
SHARES = {
    "shared_buffers": (1 / 4, 128, 8192),
    "effective_cache_size": (3 / 4, 256, None),
    "work_mem": (1 / 512, 4, 32),
    "maintenance_work_mem": (1 / 16, 64, 1024),
}


def test_the_clock_is_kept_right(machine: Machine) -> None:
    machine.check("systemctl is-enabled systemd-timesyncd.service")
    if in_container(machine):
        pytest.skip("it runs, and the clock is set, by the machine around this container")
    machine.check("systemctl is-active systemd-timesyncd.service")
    told = machine.check("timedatectl show --property=NTP --property=NTPSynchronized")
    assert told.split() == ["NTP=yes", "NTPSynchronized=yes"]


def test_security_updates_come_by_themselves(machine: Machine) -> None:
    if not machine.variables.get("base_security_updates", True):
        pytest.skip("base_security_updates is off")
    settings = machine.check("apt-config dump")
    for name in ("Update-Package-Lists", "Unattended-Upgrade"):
        assert f'APT::Periodic::{name} "1";' in settings
    origins = re.findall(r"Unattended-Upgrade::Origins-Pattern:: \"(.*)\";", settings)
    assert [each for each in origins if "Debian-Security" in each], origins
    # What fetches them, and what installs them.
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        machine.check("systemctl is-enabled %s && systemctl is-active %s", timer, timer)
    machine.check("test -x /usr/bin/unattended-upgrade")


def test_the_kernel_has_the_settings(machine: Machine) -> None:
    wanted = {
        name.strip(): value.split()
        for name, _, value in (
            line.partition("=")
            for line in machine.check(f"cat {SYSCTL}").splitlines()
            if line and not line.startswith("#")
        )
    }
    assert wanted
    if in_container(machine):
        pytest.skip("the kernel is the machine's around this container")
    words = " ".join(["%s"] * len(wanted))
    told = machine.check(f"sysctl --ignore {words}", *wanted)
    pairs = [line.partition("=") for line in told.splitlines()]
    found = {name.strip(): value.split() for name, _, value in pairs}
    # What the kernel does not know, such as IPv6 where it is switched off, it does not do either.
    assert {name: wanted[name] for name in found} == found


def test_the_journal_is_bounded_and_kept(machine: Machine) -> None:
    # All files that journald reads, the last of which wins.
    settings = machine.check("systemd-analyze cat-config systemd/journald.conf")
    in_force = dict(re.findall(r"^(\w+)=(.*)$", settings, re.MULTILINE))
    own = dict(re.findall(r"^(\w+)=(.*)$", machine.check(f"cat {JOURNALD}"), re.MULTILINE))
    assert own
    assert {name: in_force.get(name) for name in own} == own
    # It read them: it was started after they were written.
    since = machine.check(
        'date +%%s --date="$(systemctl show --property=ExecMainStartTimestamp --value'
        ' systemd-journald.service)"; stat --format=%%Y %s',
        JOURNALD,
    )
    started, written = map(int, since.split())
    assert started >= written
    bound = re.fullmatch(r"(\d+)([KMG])", own["SystemMaxUse"])
    assert bound, own
    files = machine.check("du --bytes --summarize /var/log/journal/$(cat /etc/machine-id)")
    assert int(files.split()[0]) <= int(bound[1]) * UNITS[bound[2]] * JOURNAL_ROOM


@pytest.mark.parametrize("setting", SHARES)
def test_postgresql_takes_its_share_of_the_memory(
    servers: Servers, target: Target, setting: str
) -> None:
    machine = servers.machines("postgres")[0]
    if setting in machine.variables.get("postgresql_settings", {}):
        pytest.skip("the inventory's own value wins")
    given = str(machine.variables.get("postgresql_memory_mb", ""))
    if given and not given.isdigit():
        pytest.skip(f"only Ansible itself knows the memory: {given}")
    # Shared with the tiers, or all its own.
    alone = len(servers.machines()) > 1
    memory = int(given) if given else total_mib(machine) * (0.9 if alone else 0.5)
    part, least, most = SHARES[setting]
    expected = max(memory * part, least)
    if most:
        expected = min(expected, most)
    # Rounded down to a MiB.
    has = int(target.value(f"SELECT pg_size_bytes(current_setting('{setting}')) / 1024 / 1024"))
    assert expected * (1 - MEMORY_NEAR) - 1 <= has <= expected * (1 + MEMORY_NEAR)


def total_mib(machine: Machine) -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", machine.check("cat /proc/meminfo"), re.MULTILINE)
    assert found
    return int(found[1]) // 1024


def in_container(machine: Machine) -> bool:
    return bool(machine.root("systemd-detect-virt --container --quiet").rc == 0)
