"""The servers of an Ansible inventory: which there are, what each is for, how SSH reaches them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine

PLAYBOOKS = Path(__file__).resolve().parents[2] / "deploy" / "ansible"
GROUPS = {"postgres": "postgresql", "http": "http", "ws": "ws", "nginx": "nginx"}
# A connection is made once and shared; one that broke is noticed within half a minute.
SHARED = (
    *("-o", "BatchMode=yes", "-o", "ControlMaster=auto", "-o", "ControlPersist=120"),
    *("-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),
)


@dataclass(frozen=True)
class Host:
    """One server."""

    name: str
    services: tuple[str, ...]
    login: tuple[str, ...]  # options and destination of ssh

    def command(self, sockets: str, command: Sequence[str]) -> list[str]:
        """What runs a command there as root; connections are shared by sockets in a folder."""
        # From the root folder: whoever this becomes may have no business in a home.
        remote = f"cd / && exec sudo -n {shlex.join(command)}"
        return ["ssh", *SHARED, *_control(sockets), *self.login, remote]

    def farewell(self, sockets: str) -> list[str]:
        """What ends the connection that the commands shared."""
        return ["ssh", "-O", "exit", *_control(sockets), *self.login]


@dataclass(frozen=True)
class Inventory:
    """All of them, those that the clients go through first."""

    hosts: tuple[Host, ...]
    url: str
    database: str


def load(given: str) -> Inventory:
    """Read what one would give to ansible-playbook's -i; raises EngineError."""
    listed = engine.run(
        *("ansible-inventory", "-i", given, "--playbook-dir", str(PLAYBOOKS), "--list")
    )
    return understand(json.loads(listed))


def understand(listed: Mapping[str, Any]) -> Inventory:
    """What `ansible-inventory --list` printed; raises EngineError where there is no host."""
    variables = listed["_meta"]["hostvars"]
    if not variables:
        raise engine.EngineError("the inventory has no host")
    groups = {service: listed.get(group, {}).get("hosts", []) for service, group in GROUPS.items()}
    if not any(groups.values()):
        # The smallest inventory: host names, for everything.
        groups = dict.fromkeys(GROUPS, sorted(variables))
    if missing := [GROUPS[service] for service, hosts in groups.items() if not hosts]:
        raise engine.EngineError(f"the inventory has no host in {', '.join(missing)}")
    front = groups["nginx"][0]
    # A default that nobody set comes as it is written, for ansible-inventory fills nothing in.
    site = str(variables[front].get("chatire_server_name", "{{"))
    site = front if "{{" in site else site
    names = sorted(variables, key=lambda name: (name != site, name != front, name))
    hosts = []
    for name in names:
        services = tuple(service for service in GROUPS if name in groups[service])
        if services:
            hosts.append(Host(name, services, _login(name, variables[name])))
    database = str(variables[groups["postgres"][0]].get("chatire_database", "chatire"))
    return Inventory(tuple(hosts), f"https://{site}", database)


def _control(sockets: str) -> tuple[str, str]:
    return "-o", f"ControlPath={sockets}/%C"


def _login(name: str, variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Options and destination, from the variables that Ansible's own connection goes by."""
    words: list[str] = []
    for variable, option in (
        ("ansible_port", "-p"),
        ("ansible_user", "-l"),
        ("ansible_ssh_private_key_file", "-i"),
    ):
        if value := variables.get(variable):
            words += [option, str(value)]
    for variable in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        words += shlex.split(str(variables.get(variable, "")))
    return (*words, str(variables.get("ansible_host", name)))
