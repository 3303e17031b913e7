"""The stack as a scenario meets it: containers, processes by the machine's pids, SQL, readings."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine import EngineError, docker
from watch import Sample, Watch

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("postgres", "http", "ws", "nginx")
TIERS = ("http", "ws")
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Container:
    service: str
    number: int
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.service}-{self.number}"


@dataclass(frozen=True)
class Process:
    """One process of the stack; `pid` is the machine's, `inside` the container's."""

    pid: int
    parent: int
    inside: int
    container: str
    service: str
    command: str
    memory: int  # resident bytes
    private: int  # of which it shares with nobody
    files: int
    state: str


@dataclass
class Readings:
    """What the stack holds at one moment."""

    memory: dict[str, int]  # private bytes by service
    files: dict[str, int]  # open descriptors by service
    connections: int
    advisory_locks: int
    rows: dict[str, int]  # of the realtime tables

    def json(self) -> dict[str, Any]:
        return dict(vars(self))


class Stack:
    """One Compose project. Use as a context: it has an agent and a watch running meanwhile."""

    def __init__(self, project: str, port: int) -> None:
        self.project = project
        self.port = port
        self.url = f"http://localhost:{port}"
        self.watch = Watch()
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = threading.Condition()

    def __enter__(self) -> Stack:
        """Start the agent, and listen to the engine's events. Raises EngineError."""
        code = (Path(__file__).parent / "agent.py").read_text()
        sockets = [
            f"--volume={self.project}_{tier}_sockets:/run/chatire/{tier}:ro" for tier in TIERS
        ]
        self._agent = subprocess.Popen(
            [
                *("docker", "run", "--rm", "--interactive", "--init", "--pid=host"),
                *("--network=none", "--user=0", "--cap-drop=ALL", "--cap-add=KILL"),
                *("--cap-add=SYS_PTRACE", "--cap-add=DAC_OVERRIDE", *sockets),
                f"--label=chatire.faults={self.project}",
                *(f"chatire/tools:{self.project}", "python3", "-Ic", code),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._events = subprocess.Popen(
            [
                *("docker", "events", "--format={{json .}}", "--filter=type=container"),
                f"--filter=label=com.docker.compose.project={self.project}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._hear_agent, daemon=True).start()
        threading.Thread(target=self._hear_events, daemon=True).start()
        self._ask("processes")
        return self

    def __exit__(self, *_: object) -> None:
        if self._agent.stdin:
            self._agent.stdin.close()
        self._events.terminate()
        try:
            self._agent.wait(10)
        except subprocess.TimeoutExpired:
            self._agent.kill()

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

    def container(self, service: str, place: int = 0) -> Container:
        """One of a service; raises EngineError when it does not run."""
        found = self.containers(service)
        if len(found) <= place:
            raise EngineError(f"{service} of {self.project} does not run: `make up` starts it")
        return found[place]

    def exec(
        self, container: Container, *command: str, user: str = "", within: float = 60.0
    ) -> str:
        """Run a command inside; returns what it printed, raises EngineError."""
        as_user = [f"--user={user}"] if user else []
        return docker("exec", *as_user, container.id, *command, within=within)

    def healthy(self) -> list[str]:
        """What is not as it should be, by docker's own health checks; nothing when all is well."""
        ids = [each.id for each in self.containers()]
        form = "{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
        lines = docker("inspect", f"--format={form}", *ids).splitlines() if ids else []
        return [line for line in lines if not line.endswith("running healthy")]

    # --- processes ---------------------------------------------------------------------------

    def processes(self, service: str | None = None) -> list[Process]:
        """Every process of the stack, or of one service, by pid."""
        services = {each.id: each.service for each in self.containers()}
        found = []
        for told in self._ask("processes")["processes"]:
            name = services.get(told["container"])
            if name and (service is None or name == service):
                found.append(Process(service=name, **told))
        return sorted(found, key=lambda process: process.pid)

    def ws_workers(self) -> list[Process]:
        """uvicorn, one each replica."""
        return [
            each
            for each in self.processes("ws")
            if "realtime.server" in each.command and "docker-init" not in each.command
        ]

    def http_masters(self) -> list[Process]:
        """gunicorn's masters, one each replica."""
        found = self._gunicorns()
        pids = {each.pid for each in found}
        return [each for each in found if each.parent not in pids]

    def http_workers(self) -> list[Process]:
        """The processes that serve, children of the masters."""
        found = self._gunicorns()
        pids = {each.pid for each in found}
        return [each for each in found if each.parent in pids]

    def _gunicorns(self) -> list[Process]:
        return [
            each
            for each in self.processes("http")
            if "gunicorn" in each.command and "docker-init" not in each.command
        ]

    def nginx_master(self) -> Process:
        return next(p for p in self.processes("nginx") if "master process" in p.command)

    def nginx_workers(self) -> list[Process]:
        return [p for p in self.processes("nginx") if "worker process" in p.command]

    def postmaster(self) -> Process:
        """PostgreSQL's first process."""
        return min(self.processes("postgres"), key=lambda process: process.inside)

    def backends(self, condition: str) -> list[Process]:
        """The server processes of connections that a condition on pg_stat_activity holds for."""
        inside = set(
            map(int, self.psql(f"SELECT pid FROM pg_stat_activity WHERE {condition}").split())
        )
        return [each for each in self.processes("postgres") if each.inside in inside]

    def signal(self, processes: Process | Iterable[Process], number: signal.Signals) -> float:
        """Signal processes from outside their containers; returns when. Gone ones are left out."""
        listed = [processes] if isinstance(processes, Process) else list(processes)
        if not listed:
            raise EngineError("no process to signal: the scenario looks for the wrong name")
        answer = self._ask("signal", pids=[each.pid for each in listed], signal=int(number))
        return float(answer["at"])

    # --- database ----------------------------------------------------------------------------

    def psql(self, sql: str, within: float = 60.0) -> str:
        """What psql -At prints, as superuser on the chat's database; raises EngineError."""
        return docker("exec", self.container("postgres").id, "psql", "-Atqc", sql, within=within)

    def value(self, sql: str) -> int:
        return int(self.psql(sql))

    def accepts(self) -> bool:
        """Whether PostgreSQL takes connections and answers just now."""
        try:
            return self.psql("SELECT 1", within=3).strip() == "1"
        except EngineError:
            return False

    # --- commands ----------------------------------------------------------------------------

    def make(self, *words: str, within: float = 300.0) -> str:
        """Run a make target on this stack; raises EngineError with what it said."""
        env = {**os.environ, "CHATIRE_PROJECT": self.project, "CHATIRE_PORT": str(self.port)}
        command = ("make", "--no-print-directory", "-C", str(REPOSITORY), *words)
        return engine.run(*command, within=within, env=env)

    def manage(self, *words: str) -> str:
        """One of Django's management commands, in the http tier."""
        return self.exec(self.container("http"), "python3", "manage.py", *words)

    # --- readings ----------------------------------------------------------------------------

    def readings(self) -> Readings:
        """What it holds now."""
        memory: Counter[str] = Counter()
        files: Counter[str] = Counter()
        for each in self.processes():
            memory[each.service] += each.private
            files[each.service] += each.files
        counted = json.loads(self.psql(_COUNTS))
        return Readings(
            memory=dict(memory),
            files=dict(files),
            connections=counted["connections"],
            advisory_locks=counted["advisory"],
            rows=counted["rows"],
        )

    # --- the agent ---------------------------------------------------------------------------

    def _ask(self, what: str, **more: object) -> dict[str, Any]:
        number = next(self._numbers)
        assert self._agent.stdin
        self._agent.stdin.write(json.dumps({"number": number, "do": what, **more}) + "\n")
        self._agent.stdin.flush()
        with self._answered:
            if not self._answered.wait_for(lambda: number in self._answers, ANSWER_SECONDS):
                raise EngineError(f"the agent in chatire/tools:{self.project} does not answer")
            return self._answers.pop(number)

    def _hear_agent(self) -> None:
        assert self._agent.stdout
        for line in self._agent.stdout:
            told = json.loads(line)
            if "sample" in told:
                self.watch.sample(Sample(**told["sample"]))
            else:
                with self._answered:
                    self._answers[told["answer"]] = told
                    self._answered.notify_all()

    def _hear_events(self) -> None:
        assert self._events.stdout
        for line in self._events.stdout:
            event = json.loads(line)
            labels = event["Actor"]["Attributes"]
            if labels.get("com.docker.compose.oneoff") == "False":
                service = labels.get("com.docker.compose.service", "")
                at = event["timeNano"] / 1e9
                self.watch.event(at, service, event["Actor"]["ID"], event["Action"])


# The realtime tables are those whose rows come and go; counting them needs their names at run
# time, hence the detour over XML.
_COUNTS = r"""
SELECT json_build_object(
  'connections', (SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()),
  'advisory', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
  'rows', (SELECT coalesce(json_object_agg(relname, n), '{}') FROM (
     SELECT relname, (xpath('/row/c/text()', query_to_xml(
       format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1]::text::int AS n
     FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
       AND (relname LIKE 'realtime\_%' OR relname LIKE 'channels\_postgres\_%')) t))
"""
