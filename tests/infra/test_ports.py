"""Ports and firewall: every host is scanned from here, and from each other for the tiers' ports."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

import pytest

from scan import EVERY, USUAL, open_ports, scan
from servers import Machine, Servers, Unit

WEB = {80, 443}
POSTGRES = 5432
# Every port there is, where smoke.yml is told to: of use where something on the way, such as a NAT
# for virtual machines, lets in what no process of the host listens at.
SCAN = os.environ.get("CHATIRE_SCAN", "usual")
# In the kernel's table.
TCP_LISTEN = "0A"
# Who may open a connection to a role's port.
CALLERS = {"postgres": {"http", "ws"}, "http": {"nginx"}, "ws": {"nginx"}}
# Whose hosts a unit behind nginx exchanges packets with.
PARTNERS = {"postgres": {"http", "ws"}, "http": {"nginx", "postgres"}, "ws": {"nginx", "postgres"}}


@pytest.fixture(scope="module")
def scanned(servers: Servers) -> Mapping[str, set[int]]:
    """The open ports of every host, of those at which one may be."""
    wanted = {
        machine.address: sorted(EVERY if SCAN == "all" else {*USUAL, *listening(machine)})
        for machine in servers.machines()
    }
    return scan(wanted)


def listening(machine: Machine) -> set[int]:
    """At which anything on the host listens, whatever the firewall makes of it."""
    told = machine.check("cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || :")
    return {
        int(fields[1].rsplit(":", 1)[1], 16)
        for line in told.splitlines()
        if (fields := line.split())[3] == TCP_LISTEN
    }


def test_only_ssh_and_the_site_are_open(scanned: Mapping[str, set[int]], machine: Machine) -> None:
    expected = {machine.ssh_port} | (WEB if "nginx" in machine.roles else set())
    # An answer may be late or lost where so much is asked at once.
    late = open_ports(machine.address, sorted(expected - scanned[machine.address]), len(expected))
    found = scanned[machine.address] | late
    if machine.ssh_port not in found:
        pytest.skip(f"SSH reaches {machine} another way than straight from here: nothing to scan")
    rules = "\n".join(machine.variables.get("base_firewall_extra", []))
    own = {int(port) for port in re.findall(r"tcp dport (\d+)", rules)}
    assert found - own == expected - own


def test_only_its_callers_reach_a_tier(servers: Servers, machine: Machine) -> None:
    """Tried from every host but the tier's own, where the loopback is open to all."""
    ports = {
        at: role
        for role in CALLERS
        for unit in servers.units(role)
        if unit.machine is not machine and (at := bound(unit))
    }
    if not ports:
        pytest.skip("all is on one host, and no tier listens on a port")
    expected = {at for at, role in ports.items() if CALLERS[role] & machine.roles}
    assert reached(machine, set(ports)) == expected


def test_nothing_behind_nginx_reaches_a_host_it_has_no_business_with(
    servers: Servers, behind: Unit
) -> None:
    """SSH is open on that host, also from this one: only the unit itself is held back."""
    strangers = [
        machine
        for machine in servers.machines()
        if machine is not behind.machine and not machine.roles & PARTNERS[behind.role]
    ]
    if not strangers:
        pytest.skip("it has business with every other host")
    stranger = strangers[0]
    at = f"{stranger.address}/{stranger.ssh_port}"
    assert reached(behind.machine, {at}) == {at}
    assert not behind.reaches(stranger.address, stranger.ssh_port)


def bound(unit: Unit) -> str | None:
    """The unit's address and port, as bash writes them; None for one with Unix sockets only."""
    if not [each for each in unit.listeners if each.kind == "tcp"]:
        return None
    if unit.role == "postgres":
        return f"{unit.machine.address}/{POSTGRES}"
    return "/".join(unit.bind.rsplit(":", 1))


def reached(machine: Machine, ports: set[str]) -> set[str]:
    """Those of the ports to which a connection opens from the machine."""
    probe = 'timeout 2 bash -c "exec 3<>/dev/tcp/$at" 2>/dev/null && echo $at'
    return set(
        machine.check(
            f"for at in {' '.join(sorted(ports))}; do {{ {probe}; }} & done; wait"
        ).split()
    )


def test_the_firewall_drops_what_no_rule_lets_in(machine: Machine) -> None:
    guarded(machine)
    ruleset = json.loads(machine.check("nft --json list table inet chatire"))["nftables"]
    chains = [each["chain"] for each in ruleset if each.get("chain", {}).get("hook") == "input"]
    assert [chain["policy"] for chain in chains] == ["drop"], chains


def test_the_firewall_is_up_before_a_boot_lets_anybody_in(machine: Machine) -> None:
    guarded(machine)
    machine.check("systemctl is-active nftables && systemctl is-enabled nftables")
    assert "table inet chatire" in machine.check("cat /etc/nftables.conf")


def guarded(machine: Machine) -> None:
    if not machine.variables.get("base_firewall", True):
        pytest.skip("base_firewall is off: another firewall is in charge of the host")
