"""The chat on servers, over SSH: how the suite reaches the units that Ansible set up.

Selected by CHATIRE_INVENTORY, what one would give to ansible-playbook's -i. Where things are is
read from the inventory; what runs is asked of systemd on the hosts.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from target import ROLES, TIERS, Health, Limits, Listener, Node, SecretFile, Target, said

PLAYBOOKS = Path(__file__).resolve().parents[2] / "deploy" / "ansible"
GROUPS = {"postgres": "postgresql", "http": "http", "ws": "ws", "nginx": "nginx"}
SECRETS = "/etc/chatire/secrets"
ACCESS_LOG = "/var/log/chatire/access.log"
# Where a port is filtered nothing answers at all.
SCAN_SECONDS = 1.0
# Where version 2 of them is: beside version 1, or alone.
CONTROL_GROUPS = "/sys/fs/cgroup/unified /sys/fs/cgroup"
NOT_JOINED = 99
# systemd writes "no limit" as one of these.
NO_LIMIT = ("infinity", "18446744073709551615", "")

_LISTENERS = r"""
import os, sys
inodes = set()
for pid in sys.argv[2:]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        continue  # a process of a moment
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
# A socket that systemd made and handed over is listed where systemd made it.
for pid in (sys.argv[1], "1"):
    for family in ("tcp", "tcp6", "unix"):
        for line in open(f"/proc/{pid}/net/{family}").read().splitlines()[1:]:
            fields = line.split()
            inode = fields[6] if family == "unix" else fields[9]
            if inode not in inodes:
                continue
            if family == "unix":
                if int(fields[3], 16) & 0x10000 and len(fields) > 7:
                    print("unix", "-", fields[7])
            elif fields[3] == "0A":
                address, port = fields[1].rsplit(":", 1)
                print("tcp", address, int(port, 16))
"""
_CONNECT = """
import socket, sys
at, port = sys.argv[1:]
if at.startswith("/"):
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(2)
    probe.connect(f"{at}/.s.PGSQL.{port}")
else:
    socket.create_connection((at, int(port)), timeout=2)
"""


class Machine:
    """One host of the inventory, with the roles that its groups give it."""

    def __init__(self, name: str, variables: Mapping[str, Any], roles: frozenset[str]) -> None:
        self.name = name
        self.variables = variables
        self.roles = roles
        user = variables.get("ansible_user")
        where = str(variables.get("ansible_host", name))
        port = variables.get("ansible_port")
        self.address = where
        self.ssh_port = int(variables.get("base_ssh_port", port or 22))
        spec = f"ssh://{f'{user}@' if user else ''}{where}{f':{port}' if port else ''}"
        options: dict[str, Any] = {"controlpersist": 120, "timeout": 20}
        if variables.get("ansible_ssh_private_key_file"):
            options["ssh_identity_file"] = variables["ansible_ssh_private_key_file"]
        given = [
            str(variables[name])
            for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args")
            if variables.get(name)
        ]
        if given:
            options["ssh_extra_args"] = " ".join(given)
        self.host: Host = testinfra.get_host(spec, **options)

    def __repr__(self) -> str:
        return self.name

    def root(self, command: str, *args: str) -> CommandResult:
        """Run a shell command as root."""
        inner = command % tuple(map(shlex.quote, args)) if args else command
        return self.host.run("sudo -n sh -c %s", inner)

    def check(self, command: str, *args: str) -> str:
        """Run a shell command as root that has to succeed; returns what it printed."""
        result = self.root(command, *args)
        assert result.rc == 0, said(result)
        return str(result.stdout)

    def units(self, pattern: str) -> list[str]:
        listed = self.root(f"systemctl list-units --plain --no-legend --all '{pattern}'").stdout
        return sorted(line.split()[0] for line in str(listed).splitlines())


class Unit(Node):
    """A node that is a systemd unit."""

    def __init__(self, role: str, machine: Machine, unit: str) -> None:
        number = (re.search(r"@(\d+)\.service$", unit) or ["", ""])[1]
        super().__init__(role, f"{role}{f'-{number}' if number else ''}@{machine.name}")
        self.machine = machine
        self.unit = unit

    def show(self, *names: str) -> dict[str, str]:
        """The unit's properties, asked now."""
        words = " ".join(f"-p {name}" for name in names)
        printed = self.machine.root(f"systemctl show {words} -- {self.unit}").stdout
        return dict(line.split("=", 1) for line in str(printed).splitlines() if "=" in line)

    def run(self, command: str, *args: str, as_root: bool = False) -> CommandResult:
        """In the namespaces of the main process, which its sandbox made."""
        return self.machine.root(self._inside(command, *args, as_root=as_root))

    def _inside(self, command: str, *args: str, as_root: bool = False) -> str:
        inner = command % tuple(map(shlex.quote, args)) if args else command
        user = "" if as_root else f"setpriv --reuid={self._uid} --regid={self._gid} --init-groups "
        return f"nsenter -t {self.main_pid} -m -n -- {user}sh -c {shlex.quote(inner)}"

    @cached_property
    def main_pid(self) -> int:
        return int(self.show("MainPID")["MainPID"])

    @cached_property
    def _account(self) -> tuple[int, int]:
        user = self.show("User")["User"] or "root"
        ids = self.machine.root("id -u %s; id -g %s", user, user).stdout.split()
        return int(ids[0]), int(ids[1])

    @property
    def _uid(self) -> int:
        return self._account[0]

    @property
    def _gid(self) -> int:
        return self._account[1]

    @property
    def declared_user(self) -> str:
        return f"{self._uid}:{self._gid}"

    @cached_property
    def bind(self) -> str:
        """Where the tier's process listens, as its unit's own readiness check has it."""
        found = re.search(
            r"argv\[\]=/usr/local/lib/chatire/ready (\S+)",
            self.machine.root(f"systemctl show -p ExecStartPost {self.unit}").stdout,
        )
        assert found, f"{self.unit} has no readiness check"
        return found[1]

    @property
    def health(self) -> Health:
        if self.role in ("http", "ws"):
            check = f"/usr/local/lib/chatire/ready {self.bind} 1"
            asked = self.run(check)
        else:
            check = f"systemctl is-active {self.unit}"
            asked = self.machine.root(check)
        return Health(passing=asked.rc == 0, check=check, report=asked.stdout + asked.stderr)

    @property
    def limits(self) -> Limits:
        found = self.show("MemoryMax", "TasksMax")
        size = self.machine.root("cat /etc/systemd/journald.conf.d/chatire.conf").stdout
        written = re.search(r"SystemMaxUse=(\d+)([KMG])", size)
        unit = {"K": 2**10, "M": 2**20, "G": 2**30}
        return Limits(
            memory_bytes=_limit(found["MemoryMax"]),
            processes=_limit(found["TasksMax"]),
            log_bytes=int(written[1]) * unit[written[2]] if written else None,
        )

    @property
    def restarts_by_itself(self) -> bool:
        """Also after an end that is no failure, as when a signal past systemd asked for it."""
        return self.show("Restart")["Restart"] == "always"

    @property
    def published(self) -> Sequence[tuple[str, int]]:
        """Tried from here: what answers is published, whatever was configured."""
        ports = {int(each.at) for each in self.listeners if each.kind == "tcp"}
        return [
            (self.machine.address, port)
            for port in sorted(ports)
            if _open(self.machine.address, port)
        ]

    @cached_property
    def secret_files(self) -> Sequence[SecretFile]:
        folder = f"{SECRETS}/{self.role}"
        listing = self.machine.root(
            "test ! -d %s || find %s -type f -exec stat -c '%%a %%u %%n' {} +", folder, folder
        ).stdout
        return [
            SecretFile(path=path, mode=int(mode, 8), uid=int(uid))
            for mode, uid, path in (line.split(" ", 2) for line in str(listing).splitlines())
        ]

    @property
    def starts(self) -> tuple[str, int]:
        found = self.show("ExecMainStartTimestampMonotonic", "NRestarts")
        return found["ExecMainStartTimestampMonotonic"], int(found["NRestarts"])

    def restart(self) -> CommandResult:
        return self._systemctl("restart")

    def stop(self) -> CommandResult:
        return self._systemctl("stop")

    def start(self) -> CommandResult:
        return self._systemctl("start")

    def _systemctl(self, deed: str) -> CommandResult:
        done = self.machine.root(f"systemctl {deed} {self.unit}")
        self.forget()
        return done

    @property
    def address(self) -> str:
        if self.role == "postgres" and not [each for each in self.listeners if each.kind == "tcp"]:
            return "/run/chatire/postgresql"
        return self.machine.address

    def reaches(self, address: str, port: int) -> bool:
        """In its control group as well, by which systemd filters addresses."""
        group = shlex.quote(self.show("ControlGroup")["ControlGroup"])
        join = f"for root in {CONTROL_GROUPS}; do [ ! -e $root/cgroup.controllers ] || break; done;"
        probe = self._inside("python3 -IS -c %s %s %s", _CONNECT, address, str(port))
        tried = self.machine.root(
            f"{join} echo $$ >$root{group}/cgroup.procs || exit {NOT_JOINED}; {probe}"
        )
        assert tried.rc != NOT_JOINED, said(tried)
        return bool(tried.rc == 0)

    @property
    def has_way_out(self) -> bool:
        found = self.show("PrivateNetwork", "IPAddressDeny")
        return found["PrivateNetwork"] != "yes" and "0.0.0.0/0" not in found["IPAddressDeny"]

    @property
    def listens_to(self) -> str:
        return self.bind.rpartition(":")[0] if self.role in TIERS else super().listens_to

    @property
    def answers_nginx_by_address(self) -> bool:
        return self.role in TIERS and self.show("PrivateNetwork")["PrivateNetwork"] != "yes"

    @property
    def has_a_system_of_its_own(self) -> bool:
        return False

    @cached_property
    def listeners(self) -> set[Listener]:
        """Those of its own processes: the host's other ones are not its own."""
        pids = [str(process.pid) for process in self.processes]
        words = " ".join(["%s"] * (len(pids) + 1))
        printed = self.machine.root(f"python3 -IS -c %s {words}", _LISTENERS, pids[0], *pids)
        assert printed.rc == 0, printed.stderr
        found = set()
        for line in str(printed.stdout).splitlines():
            kind, address, at = line.split(" ", 2)
            found.add(Listener(kind, "" if kind == "unix" else address, at))
        return found

    def log(self) -> str:
        since = self.show("ActiveEnterTimestamp")["ActiveEnterTimestamp"]
        text = str(
            self.machine.root(
                "journalctl -u %s --since %s -o cat --no-pager", self.unit, since
            ).stdout
        )
        if self.role == "nginx":
            text += str(self.machine.root(f"cat {ACCESS_LOG}").stdout)
        if self.role == "postgres":
            text += str(self.machine.root("cat /var/log/postgresql/*.log").stdout)
        return text

    def records(self) -> Mapping[str, str]:
        return {
            f"systemctl show {self.name}": str(
                self.machine.root(f"systemctl show {self.unit}").stdout
            ),
            f"systemctl cat {self.name}": str(
                self.machine.root(f"systemctl cat {self.unit}").stdout
            ),
            f"arguments in {self.name}": "\n".join(process.command for process in self.processes),
        }


class Servers(Target):
    """The hosts of one inventory."""

    def __init__(self, inventory: str) -> None:
        self.place = f"the inventory {inventory}"
        listed = subprocess.run(
            ["ansible-inventory", "-i", inventory, "--playbook-dir", str(PLAYBOOKS), "--list"],
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode:
            raise pytest.UsageError(
                f"{self.place} cannot be read: {listed.stderr.strip()}\n"
                "A vault's password is asked of the file that ANSIBLE_VAULT_PASSWORD_FILE names."
            )
        found = json.loads(listed.stdout)
        variables = found["_meta"]["hostvars"]
        everybody = sorted(variables)
        groups = {role: found.get(group, {}).get("hosts", []) for role, group in GROUPS.items()}
        if not any(groups.values()):
            # The smallest inventory: a host name, for everything.
            groups = dict.fromkeys(GROUPS, everybody)
        self._machines = {
            name: Machine(
                name,
                variables[name],
                frozenset(role for role, names in groups.items() if name in names),
            )
            for name in everybody
        }
        self._groups = groups
        front = variables[groups["nginx"][0]]
        name = str(front.get("chatire_server_name", "{{"))
        self.name = groups["nginx"][0] if "{{" in name else name
        self.names = [self.name, *front.get("chatire_extra_names", [])]
        self.url = f"https://{self.name}"
        # Not filled in by ansible-inventory, where it is the default.
        self.database = str(variables[groups["postgres"][0]].get("chatire_database", "chatire"))
        self._nodes: dict[str, list[Node]] = {}

    def machines(self, role: str | None = None) -> list[Machine]:
        """The hosts of a role, or all that have one."""
        return [
            machine
            for machine in self._machines.values()
            if (role in machine.roles if role else machine.roles)
        ]

    def units(self, role: str) -> list[Unit]:
        return [node for node in self.nodes(role) if isinstance(node, Unit)]

    def nodes(self, role: str | None = None) -> list[Node]:
        if role is None:
            return [node for each in ROLES for node in self.nodes(each)]
        if role not in self._nodes:
            self._nodes[role] = list(self._units(role))
        return self._nodes[role]

    def _units(self, role: str) -> list[Node]:
        patterns = {"postgres": "postgresql@*-main.service", "nginx": "nginx.service"}
        pattern = patterns.get(role, f"chatire-{role}@*.service")
        return [
            Unit(role, self._machines[name], unit)
            for name in self._groups[role]
            for unit in self._machines[name].units(pattern)
        ]

    def _machine(self, role: str) -> Machine:
        return self._machines[self._groups[role][0]]

    def psql(self, sql: str) -> CommandResult:
        return self._machine("postgres").host.run(
            "sudo -n -u postgres psql -d %s -Atc %s", self.database, sql
        )

    def manage(self, *arguments: str) -> CommandResult:
        words = " ".join(["%s"] * len(arguments))
        return self._machine("http").root(f"chatire-manage {words}", *arguments)

    def places(self) -> Mapping[str, str]:
        return {
            f"what {machine.name} has of the kit outside its secrets": str(
                machine.root(
                    "cat /etc/systemd/system/chatire* /etc/systemd/system/*.d/chatire.conf"
                    " /etc/chatire/*.env /etc/chatire/nginx/* 2>/dev/null"
                ).stdout
            )
            for machine in self._machines.values()
        }

    def secret_directories(self) -> Mapping[str, int]:
        found = {}
        for machine in self._machines.values():
            listing = machine.root(f"stat -c '%a %n' {SECRETS}/* 2>/dev/null").stdout
            for line in str(listing).splitlines():
                mode, path = line.split(" ", 1)
                found[f"{machine.name}:{path}"] = int(mode, 8)
        return found

    def scale(self, http: int, ws: int) -> CommandResult:
        pytest.skip("servers are scaled by their inventory: chatire_http_processes and site.yml")


def _limit(text: str) -> int | None:
    return None if text in NO_LIMIT else int(text)


def _open(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=SCAN_SECONDS):
            return True
    except OSError:
        return False
