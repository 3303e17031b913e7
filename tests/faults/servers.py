"""The chat on servers that the playbooks set up: units of systemd, over SSH."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Self

import engine
from engine import EngineError
from hands import Hands
from inventory import Host, load
from stack import PSQL, SERVICES, Container, Process, Stack
from watch import Sample, Watch

# What runs each service on its hosts, as systemctl finds it.
PATTERNS = {
    "postgres": "postgresql@*-main.service",
    "http": "chatire-http@*.service",
    "ws": "chatire-ws@*.service",
    "nginx": "nginx.service",
}
# More than this, and sight is not what a person would see: commits are dated over there.
CLOCK_SECONDS = 0.25


class Servers(Stack):
    """The hosts of one inventory."""

    def __init__(self, inventory: str) -> None:
        """Read it; raises EngineError."""
        self.watch = Watch()
        self._inventory = load(inventory)
        self.url = self._inventory.url
        self._hands: dict[str, Hands] = {}
        self._units: list[Container] = []

    def __enter__(self) -> Self:
        """Start an agent on each host. Raises EngineError."""
        self._sockets = tempfile.mkdtemp(prefix="chaos")
        try:
            for host in self._inventory.hosts:
                # So that it is told what SSH or sudo says, and all that follows shares this one.
                self.run(host, "true")
                patterns = [PATTERNS[service] for service in host.services]
                self._hands[host.name] = hands = Hands(
                    f"on {host.name}",
                    partial(host.command, self._sockets),
                    ["units", *patterns],
                    partial(self._heard, host.name),
                )
                if abs(hands.behind) > CLOCK_SECONDS:
                    print(
                        f"chaos: the clock of {host.name} is {-hands.behind:+.1f} s off this"
                        " machine's; times of sight are off by as much.",
                        file=sys.stderr,
                    )
            self._units = list(self._found())
            for service in SERVICES:
                self.container(service)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._inventory.hosts:
            if host.name in self._hands:
                self._hands.pop(host.name).close()
            with suppress(EngineError):
                engine.run(*host.farewell(self._sockets), within=20)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def run(self, host: Host, *command: str, within: float = 60.0) -> str:
        """Run a command there as root; returns what it printed, raises EngineError."""
        return engine.run(*host.command(self._sockets, command), within=within)

    @property
    def machine(self) -> str:
        return f"{len(self._inventory.hosts)} servers over SSH"

    # --- units -------------------------------------------------------------------------------

    def _found(self) -> Iterable[Container]:
        for service in SERVICES:
            number = 0
            for host in self._of(service):
                for unit in sorted(self._states(host)):
                    if _service(unit) == service:
                        number += 1
                        yield Container(service, number, f"{host.name}/{unit}", unit)

    def containers(self, service: str | None = None) -> list[Container]:
        """Those that there were when this began, run or not."""
        return [each for each in self._units if service in (None, each.service)]

    def healthy(self) -> list[str]:
        """By systemd's own account."""
        states = {
            f"{host.name}/{unit}": state
            for host in self._inventory.hosts
            for unit, state in self._states(host).items()
        }
        return [
            f"{each.id} {states.get(each.id, 'is not there')}"
            for each in self._units
            if states.get(each.id) != "active running"
        ]

    def restart(self, container: Container) -> None:
        self._systemctl("restart", container)

    def stop(self, container: Container) -> None:
        self._systemctl("stop", container)

    def start(self, container: Container) -> None:
        self._systemctl("start", container)

    def reload_nginx(self) -> None:
        for each in self.containers("nginx"):
            self._systemctl("reload", each)

    def _systemctl(self, deed: str, container: Container) -> None:
        host = next(h for h in self._inventory.hosts if container.id.startswith(f"{h.name}/"))
        self.run(host, "systemctl", deed, container.name, within=120)

    def _states(self, host: Host) -> dict[str, str]:
        states: dict[str, str] = self._hands[host.name].ask("states")["states"]
        return states

    def _of(self, service: str) -> list[Host]:
        return [host for host in self._inventory.hosts if service in host.services]

    # --- processes ---------------------------------------------------------------------------

    def processes(self, service: str | None = None) -> list[Process]:
        """Host by host, the one that the clients go through first."""
        found = []
        for host in self._inventory.hosts if service is None else self._of(service):
            told = self._hands[host.name].ask("processes")["processes"]
            for each in sorted(told, key=lambda process: int(process["pid"])):
                name = _service(each["container"])
                if service in (None, name):
                    unit = f"{host.name}/{each.pop('container')}"
                    found.append(Process(service=name, container=unit, host=host.name, **each))
        return found

    def signal(self, processes: Process | Iterable[Process], number: signal.Signals) -> float:
        listed = [processes] if isinstance(processes, Process) else list(processes)
        if not listed:
            raise EngineError("no process to signal: the scenario looks for the wrong name")
        pids: dict[str, list[int]] = defaultdict(list)
        for each in listed:
            pids[each.host].append(each.pid)
        first = 0.0
        for host, those in pids.items():
            hands = self._hands[host]
            at = hands.ask("signal", pids=those, signal=int(number))["at"] + hands.behind
            first = first or at
        return first

    # --- database and commands ---------------------------------------------------------------

    def psql_command(self, database: str = "") -> list[str]:
        """As PostgreSQL's own user, which it trusts on its host."""
        words = ["runuser", "-u", "postgres", "--", *PSQL, database or self._inventory.database]
        return self._of("postgres")[0].command(self._sockets, words)

    def manage(self, *words: str) -> str:
        return self.run(self._of("http")[0], "chatire-manage", *words)

    # --- what is heard -----------------------------------------------------------------------

    def _heard(self, host: str, kind: str, said: dict[str, Any]) -> None:
        """By this machine's clock."""
        unit = said["container"]
        at = said["at"] + (self._hands[host].behind if host in self._hands else 0.0)
        told = said | {"container": f"{host}/{unit}", "at": at}
        if kind == "sample":
            self.watch.sample(Sample(**told))
        else:
            self.watch.event(at, _service(unit), told["container"], told["what"])


def _service(unit: str) -> str:
    """Which service a unit is of."""
    found = re.match(r"chatire-(http|ws)@|(nginx)\.service|(postgres)ql@", unit)
    return next((each for each in found.groups() if each), "") if found else ""
