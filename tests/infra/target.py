"""What the suite asks of the thing it is pointed at, whatever carries it.

A `Target` is one running chat: an address that users know, the nodes behind it (a node is one
process tree: a container on compose, a unit on a server), and the operator's ways in. Tests speak
of targets and nodes only; `containers.py` and `servers.py` know how to reach them.
"""

from __future__ import annotations

import json
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from testinfra.backend.base import CommandResult

ROLES = ("postgres", "http", "ws", "nginx")
TIERS = ("http", "ws")

# /proc/net/tcp and /proc/net/unix write the state of a socket as a number.
_TCP_LISTEN = "0A"
_UNIX_ACCEPTS = 0x10000
_TCP_LINE = re.compile(r"\s*\d+: [0-9A-F]+:[0-9A-F]{4} ")
_UNIX_LINE = re.compile(r"[0-9a-f]+: (\S+\s+){6}\S")

# One round trip tells of every process: what it runs as, what it may do, how it was started.
_PROCESS_TABLE = r"""
for directory in /proc/[0-9]*; do
  pid=${directory#/proc/}
  [ "$pid" = "$$" ] && continue
  status=$(grep -E '^(Name|PPid|Uid|Gid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "$directory/status" \
    2>/dev/null | tr '\n\t' '; ') || continue
  arguments=$(tr '\0' ' ' <"$directory/cmdline" 2>/dev/null) || continue
  echo "$pid|$status|$arguments"
done
"""


def said(result: CommandResult) -> str:
    """A command, its exit status and all it printed: the text of a failure."""
    return (
        f"\n$ {result.command if isinstance(result.command, str) else result.command.decode()}"
        f"\n(exit status {result.rc})\n{result.stdout}\n{result.stderr}"
    )


@dataclass(frozen=True)
class Process:
    """One process as the kernel describes it."""

    pid: int
    parent: int
    command: str
    uid: int
    gid: int
    effective: int  # capability masks
    bounding: int
    no_new_privileges: bool
    seccomp: int  # 0 none, 2 a filter

    @classmethod
    def parse(cls, line: str) -> Process:
        """Make one from a line of the process table."""
        pid, status, command = line.split("|", 2)
        pairs = [part.split(":", 1) for part in status.split(";") if ":" in part]
        fields = {name.strip(): values.split() for name, values in pairs}
        return cls(
            pid=int(pid),
            parent=int(fields["PPid"][0]),
            command=command.strip(),
            uid=int(fields["Uid"][1]),
            gid=int(fields["Gid"][1]),
            effective=int(fields["CapEff"][0], 16),
            bounding=int(fields["CapBnd"][0], 16),
            no_new_privileges=fields["NoNewPrivs"] == ["1"],
            seccomp=int(fields.get("Seccomp", ["0"])[0]),
        )


@dataclass(frozen=True)
class Listener:
    """A socket that accepts: `kind` is tcp or unix, `at` a port or a path."""

    kind: str
    address: str
    at: str


@dataclass(frozen=True)
class Health:
    """The supervisor's own opinion of a node, and how it comes by it."""

    passing: bool
    check: str
    report: str


@dataclass(frozen=True)
class Limits:
    """What a node cannot exceed; None stands for no bound."""

    memory_bytes: int | None
    processes: int | None
    log_bytes: int | None


@dataclass(frozen=True)
class SecretFile:
    """A secret as a node sees it."""

    path: str
    mode: int
    uid: int


@dataclass(frozen=True)
class Answer:
    """An HTTP answer got from inside a node."""

    status: int
    headers: Mapping[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


# Speaks HTTP to a listener inside the node, where nothing but Python is sure to be installed.
_INSIDE_GET = """
import http.client, json, socket, sys
kind, to, at, path, host = sys.argv[1:6]
connection = http.client.HTTPConnection(to, int(at) if kind == "tcp" else None, timeout=5)
if kind == "unix":
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(5)
    connection.sock.connect(at)
connection.request("GET", path, headers={"Host": host})
answer = connection.getresponse()
print(json.dumps([answer.status, dict(answer.getheaders()), answer.read().decode()]))
"""


class Node(ABC):
    """One supervised process tree. `role` is postgres, http, ws or nginx."""

    def __init__(self, role: str, name: str) -> None:
        self.role = role
        self.name = name

    def __repr__(self) -> str:
        return self.name

    # --- what the carrier provides ---------------------------------------------------------

    @abstractmethod
    def run(self, command: str, *args: str, as_root: bool = False) -> CommandResult:
        """Run a shell command beside the node's processes, as its user or as root."""

    @property
    @abstractmethod
    def main_pid(self) -> int:
        """The process that the supervisor started, as numbered where `run` runs."""

    @property
    @abstractmethod
    def declared_user(self) -> str:
        """The user that the supervisor was told to start the node as."""

    @property
    @abstractmethod
    def health(self) -> Health: ...

    @property
    @abstractmethod
    def limits(self) -> Limits: ...

    @property
    @abstractmethod
    def restarts_by_itself(self) -> bool: ...

    @property
    @abstractmethod
    def published(self) -> Sequence[tuple[str, int]]:
        """Host addresses and ports at which the outside reaches the node."""

    @property
    @abstractmethod
    def secret_files(self) -> Sequence[SecretFile]:
        """The secrets handed to this node."""

    @property
    @abstractmethod
    def starts(self) -> tuple[str, int]:
        """When the node was started and how often the supervisor restarted it."""

    @abstractmethod
    def restart(self) -> CommandResult:
        """Stop it the way a deployment does and start it again; returns when it was started."""

    @abstractmethod
    def stop(self) -> CommandResult:
        """Stop it the way a deployment does; returns when it ended."""

    @abstractmethod
    def start(self) -> CommandResult:
        """Start it again after `stop`."""

    @property
    @abstractmethod
    def address(self) -> str:
        """An address at which other nodes would look for this one."""

    @property
    @abstractmethod
    def has_way_out(self) -> bool:
        """Whether packets for addresses outside would leave at all."""

    @abstractmethod
    def log(self) -> str:
        """Everything it logged since it was started."""

    @abstractmethod
    def records(self) -> Mapping[str, str]:
        """What anyone who may look at the supervisor can read of it, by the name of the place."""

    @property
    def has_a_system_of_its_own(self) -> bool:
        """Whether what lies in its file system is there for this node alone, as in an image."""
        return True

    @property
    def listens_to(self) -> str:
        """The address at which it finds its own port."""
        return "localhost"

    @property
    def answers_nginx_by_address(self) -> bool:
        """Whether it has to be let through to nginx's hosts, since its answers go there."""
        return False

    def forget(self) -> None:
        """Look anew from now on: to be called when the node is stopped or started."""
        for name in ("main_pid", "processes", "listeners", "secret_files"):
            self.__dict__.pop(name, None)

    # --- what every carrier has alike: /proc ------------------------------------------------

    def check(self, command: str, *args: str, as_root: bool = False) -> str:
        """Run a command that has to succeed; returns what it printed."""
        result = self.run(command, *args, as_root=as_root)
        assert result.rc == 0, said(result)
        return str(result.stdout)

    @cached_property
    def processes(self) -> list[Process]:
        """The node's process tree, the main process first."""
        every = [
            Process.parse(line) for line in self.check(_PROCESS_TABLE).splitlines() if "|" in line
        ]
        tree = {self.main_pid}
        while True:
            children = {process.pid for process in every if process.parent in tree} | tree
            if children == tree:
                break
            tree = children
        return sorted(
            (process for process in every if process.pid in tree),
            key=lambda process: (process.pid != self.main_pid, process.pid),
        )

    @cached_property
    def listeners(self) -> set[Listener]:
        """The sockets that really accept connections in the node's network namespace."""
        found = set()
        # tcp6 is missing where IPv6 is switched off.
        files = " ".join(f"/proc/{self.main_pid}/net/{name}" for name in ("tcp", "tcp6", "unix"))
        read = f"for file in {files}; do test ! -e $file || cat $file || exit; done"
        for line in self.check(read).splitlines():
            fields = line.split()
            if _TCP_LINE.match(line) and fields[3] == _TCP_LISTEN:
                address, port = fields[1].rsplit(":", 1)
                found.add(Listener("tcp", _dotted(address), str(int(port, 16))))
            if _UNIX_LINE.match(line) and int(fields[3], 16) & _UNIX_ACCEPTS:
                found.add(Listener("unix", "", fields[7]))
        return found

    @property
    def environments(self) -> str:
        """The environments of all its processes that its own user may read."""
        pids = " ".join(str(process.pid) for process in self.processes)
        read = "for pid in $0; do tr '\\0' '\\n' </proc/$pid/environ 2>/dev/null; done; true"
        return self.check("sh -c %s %s", read, pids)

    @property
    def root_is_read_only(self) -> bool:
        """Whether the main process sees its root file system mounted read-only."""
        for line in self.check(f"cat /proc/{self.main_pid}/mountinfo").splitlines():
            fields = line.split()
            if fields[4] == "/":
                return "ro" in fields[5].split(",")
        raise AssertionError(f"{self.name} has no root mount in /proc/{self.main_pid}/mountinfo")

    def get(self, path: str, host: str = "localhost") -> Answer:
        """GET a path from the node's own listener, past nginx."""
        wanted = [listener for listener in self.listeners if not _is_engine(listener)]
        assert wanted, f"{self.name} listens nowhere"
        listener = max(wanted, key=lambda listener: listener.kind)  # unix before tcp
        printed = self.check(
            "python3 -c %s %s %s %s %s %s",
            _INSIDE_GET,
            listener.kind,
            self.listens_to,
            listener.at,
            path,
            host,
        )
        return Answer(*json.loads(printed))

    def reaches(self, address: str, port: int) -> bool:
        """Whether a TCP connection from this node to an address opens within a second."""
        probe = f"exec 3<>/dev/tcp/{shlex.quote(address)}/{port}"
        return bool(self.run("timeout 1 bash -c %s", probe).rc == 0)


class Target(ABC):
    """One running chat."""

    url: str  # where users find it, without a slash at the end
    place: str  # where it runs, as people call it

    @abstractmethod
    def nodes(self, role: str | None = None) -> list[Node]: ...

    @abstractmethod
    def psql(self, sql: str) -> CommandResult:
        """Run SQL the way an operator does: superuser, on the chat's database, `psql -At`."""

    @abstractmethod
    def manage(self, *arguments: str) -> CommandResult:
        """Run one of Django's management commands where the HTTP tier runs."""

    @abstractmethod
    def places(self) -> Mapping[str, str]:
        """Everything recorded beside the nodes: image histories, unit files."""

    @abstractmethod
    def secret_directories(self) -> Mapping[str, int]:
        """The directories that hold the secrets where the operator keeps them, and their modes."""

    @abstractmethod
    def scale(self, http: int, ws: int) -> CommandResult:
        """Ask for that many nodes of the tiers, the way an operator does."""

    def query(self, sql: str) -> list[list[str]]:
        """The rows of a query, as text."""
        result = self.psql(sql)
        assert result.rc == 0, said(result)
        return [line.split("|") for line in str(result.stdout).splitlines()]

    def value(self, sql: str) -> str:
        """The single value of a query."""
        return self.query(sql)[0][0]


def _dotted(address: str) -> str:
    """An address of /proc/net/tcp, four bytes in the machine's order, as people write it."""
    if len(address) != 8:
        return "::" if set(address) == {"0"} else "::1" if address.endswith("01000000") else address
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))


def _is_engine(listener: Listener) -> bool:
    """Docker's resolver listens at 127.0.0.11 inside every container of a named network."""
    return listener.address == "127.0.0.11"
