"""The chat on Compose: containers, told of by the engine, with processes by the machine's pids."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Self

import engine
from engine import EngineError, docker
from hands import Hands
from stack import PSQL, REPOSITORY, SERVICES, TIERS, Container, Process, Stack
from watch import Sample, Watch


class Composed(Stack):
    """One Compose project."""

    def __init__(self, project: str, port: int) -> None:
        self.project = project
        self.port = port
        self.url = f"http://localhost:{port}"
        self.watch = Watch()

    def __enter__(self) -> Self:
        """Start the agent, and listen to the engine's events. Raises EngineError."""
        self._hands = Hands(
            f"in chatire/tools:{self.project}", self._in_tools, ["containers"], self._heard
        )
        self._events = subprocess.Popen(
            [
                *("docker", "events", "--format={{json .}}", "--filter=type=container"),
                f"--filter=label=com.docker.compose.project={self.project}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._hear_events, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.terminate()
        self._hands.close()

    def _in_tools(self, command: Sequence[str]) -> list[str]:
        sockets = [
            f"--volume={self.project}_{tier}_sockets:/run/chatire/{tier}:ro" for tier in TIERS
        ]
        return [
            *("docker", "run", "--rm", "--interactive", "--init", "--pid=host"),
            *("--network=none", "--user=0", "--cap-drop=ALL", "--cap-add=KILL"),
            *("--cap-add=SYS_PTRACE", "--cap-add=DAC_OVERRIDE", *sockets),
            f"--label=chatire.faults={self.project}",
            *(f"chatire/tools:{self.project}", *command),
        ]

    @property
    def machine(self) -> str:
        kernel = platform.release().split("-")[0]
        return f"{os.cpu_count()} processors, {platform.system()} {kernel}"

    # --- containers --------------------------------------------------------------------------

    def containers(self, service: str | None = None) -> list[Container]:
        """Those that run, of one service or of all."""
        line = (
            '--format={{.Label "com.docker.compose.service"}}'
            ' {{.Label "com.docker.compose.container-number"}} {{.ID}} {{.Names}}'
        )
        listed = docker(
            *("ps", "--no-trunc", line, "--filter=label=com.docker.compose.oneoff=False"),
            f"--filter=label=com.docker.compose.project={self.project}",
        )
        found = [
            Container(words[0], int(words[1]), words[2], words[3])
            for words in map(str.split, listed.splitlines())
            if words[0] in ((service,) if service else SERVICES)
        ]
        return sorted(found, key=lambda each: (SERVICES.index(each.service), each.number))

    def exec(
        self, container: Container, *command: str, user: str = "", within: float = 60.0
    ) -> str:
        """Run a command inside; returns what it printed, raises EngineError."""
        as_user = [f"--user={user}"] if user else []
        return docker("exec", *as_user, container.id, *command, within=within)

    def healthy(self) -> list[str]:
        """By docker's own health checks."""
        ids = [each.id for each in self.containers()]
        form = "{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
        lines = docker("inspect", f"--format={form}", *ids).splitlines() if ids else []
        return [line for line in lines if not line.endswith("running healthy")]

    def restart(self, container: Container) -> None:
        docker("restart", container.id)

    def stop(self, container: Container) -> None:
        docker("stop", container.id)

    def start(self, container: Container) -> None:
        docker("start", container.id)

    def reload_nginx(self) -> None:
        self.exec(self.container("nginx"), "nginx-reload")

    # --- processes ---------------------------------------------------------------------------

    def processes(self, service: str | None = None) -> list[Process]:
        services = {each.id: each.service for each in self.containers()}
        found = []
        for told in self._hands.ask("processes")["processes"]:
            name = services.get(told["container"])
            if name and (service is None or name == service):
                found.append(Process(service=name, **told))
        return sorted(found, key=lambda process: process.pid)

    def signal(self, processes: Process | Iterable[Process], number: signal.Signals) -> float:
        listed = [processes] if isinstance(processes, Process) else list(processes)
        if not listed:
            raise EngineError("no process to signal: the scenario looks for the wrong name")
        pids = [each.pid for each in listed]
        return float(self._hands.ask("signal", pids=pids, signal=int(number))["at"])

    # --- database and commands ---------------------------------------------------------------

    def psql_command(self, database: str = "chatire") -> list[str]:
        postgres = self.container("postgres").id
        return ["docker", "exec", "--interactive", postgres, *PSQL, database]

    def make(self, *words: str, within: float = 300.0) -> str:
        """Run a make target on this stack; raises EngineError with what it said."""
        env = {**os.environ, "CHATIRE_PROJECT": self.project, "CHATIRE_PORT": str(self.port)}
        command = ("make", "--no-print-directory", "-C", str(REPOSITORY), *words)
        return engine.run(*command, within=within, env=env)

    def manage(self, *words: str) -> str:
        """In the http tier."""
        return self.exec(self.container("http"), "python3", "manage.py", *words)

    # --- what is heard -----------------------------------------------------------------------

    def _heard(self, _: str, said: dict[str, Any]) -> None:
        self.watch.sample(Sample(**said))

    def _hear_events(self) -> None:
        assert self._events.stdout
        for line in self._events.stdout:
            event = json.loads(line)
            labels = event["Actor"]["Attributes"]
            if labels.get("com.docker.compose.oneoff") == "False":
                service = labels.get("com.docker.compose.service", "")
                at = event["timeNano"] / 1e9
                self.watch.event(at, service, event["Actor"]["ID"], event["Action"])
