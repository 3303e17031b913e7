"""The running stack as its operator sees it: memory, database, containers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

SERVICES = ("postgres", "http", "ws", "nginx")

# Every process of the container but this shell: its proportional and resident memory in KiB, from
# inside, where it is allowed to be read. Builtins only, for each child would be counted too.
_MEMORY = r"""
for process in /proc/[0-9]*; do
  [ "$process" = "/proc/$$" ] && continue
  [ -r "$process/smaps_rollup" ] || continue
  pss=0; rss=0
  while read -r key value unit; do
    case $key in Pss:) pss=$value ;; Rss:) rss=$value ;; esac
  done 2>/dev/null <"$process/smaps_rollup"
  read -r name 2>/dev/null <"$process/comm"
  echo "${process#/proc/} $pss $rss $name"
done
"""


class StackError(Exception):
    """The stack, or a command run in it, is not as needed; says which and what it printed."""


@dataclass(frozen=True)
class Memory:
    """Of one process, in bytes."""

    container: str
    process: str
    pss: int
    rss: int


@dataclass(frozen=True)
class Container:
    service: str
    name: str
    identity: str


def run(*command: str) -> str:
    """Run a command; returns what it printed, raises StackError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    return done.stdout


class Stack:
    """The containers of one Compose project."""

    def __init__(self, project: str) -> None:
        self.project = project

    def containers(self, service: str | None = None) -> list[Container]:
        """Those that run, of one service or of all; raises StackError if there is none."""
        listed = run(
            "docker",
            "ps",
            "--no-trunc",
            f"--filter=label=com.docker.compose.project={self.project}",
            "--filter=label=com.docker.compose.oneoff=False",
            '--format={{.Label "com.docker.compose.service"}} {{.Names}} {{.ID}}',
        )
        found = [Container(*line.split()) for line in listed.splitlines()]
        wanted = [each for each in found if each.service in ((service,) if service else SERVICES)]
        if not wanted:
            raise StackError(
                f"nothing runs as {service or 'part of the stack'} in the Compose project "
                f"{self.project}: start it with `make up`"
            )
        return sorted(wanted, key=lambda each: (SERVICES.index(each.service), each.name))

    def memory(self, service: str | None = None) -> list[Memory]:
        """What each process of the containers holds."""
        found = []
        for container in self.containers(service):
            for line in run("docker", "exec", container.identity, "sh", "-c", _MEMORY).splitlines():
                _, pss, rss, name = line.split(" ", 3)
                found.append(Memory(container.name, name, int(pss) * 1024, int(rss) * 1024))
        return found

    def pss(self, service: str | None = None) -> int:
        """Proportional set size in bytes, summed over a service or all of the stack."""
        return sum(each.pss for each in self.memory(service))

    def query(self, sql: str) -> list[list[str]]:
        """The rows of a query, as text."""
        postgres = self.containers("postgres")[0]
        printed = run("docker", "exec", postgres.identity, "psql", "-Atc", sql)
        return [line.split("|") for line in printed.splitlines()]

    def value(self, sql: str) -> int:
        """The number that a query gives."""
        return int(self.query(sql)[0][0])

    def manage(self, *arguments: str) -> str:
        """Run one of Django's management commands."""
        http = self.containers("http")[0]
        return run("docker", "exec", http.identity, "python3", "manage.py", *arguments)

    def readiness(self, container: Container) -> dict[str, object]:
        """What a tier's process says of itself at /readyz, asked inside its container."""
        printed = run("docker", "exec", container.identity, "python3", "-c", _READY)
        answer: dict[str, object] = json.loads(printed)
        return answer


# The process accepts on the one socket that /proc/net/unix marks as accepting.
_READY = """
import http.client, socket
accepting = [line.split()[7] for line in open("/proc/net/unix").readlines()[1:]
             if int(line.split()[3], 16) & 0x10000 and len(line.split()) > 7]
connection = http.client.HTTPConnection("localhost", timeout=5)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(5)
connection.sock.connect(accepting[0])
connection.request("GET", "/readyz")
print(connection.getresponse().read().decode())
"""
