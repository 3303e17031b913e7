"""The chat as a scenario meets it, wherever it runs: processes, SQL, readings.

What differs between containers and servers is in composed.py and servers.py.
"""

from __future__ import annotations

import json
import signal
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import engine
from engine import EngineError
from watch import Watch

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = ("postgres", "http", "ws", "nginx")
TIERS = ("http", "ws")
# Reads SQL from its input: a command that stops the whole script at the first error.
PSQL = ("psql", "--no-psqlrc", "-Atq", "-v", "ON_ERROR_STOP=1", "-d")


@dataclass(frozen=True)
class Container:
    """What is started and ended as one: a container, or on servers a unit of systemd."""

    service: str
    number: int
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.service}-{self.number}"


@dataclass(frozen=True)
class Process:
    """One process; `pid` is its machine's, `inside` the one that it knows itself by."""

    pid: int
    parent: int
    inside: int
    container: str
    service: str
    command: str
    memory: int  # resident bytes
    private: int  # of which it shares with nobody
    files: int
    host: str = ""  # where pids count

    @property
    def key(self) -> tuple[str, int]:
        return self.host, self.pid

    @property
    def parent_key(self) -> tuple[str, int]:
        return self.host, self.parent


@dataclass
class Readings:
    """What the stack holds at one moment."""

    memory: dict[str, int]  # private bytes by service
    files: dict[str, int]  # open descriptors by service
    fullest: dict[str, int]  # those of the process that has most of them, by service
    connections: int
    advisory_locks: int
    rows: dict[str, int]  # of the realtime tables

    def json(self) -> dict[str, Any]:
        return dict(vars(self))


class Stack(ABC):
    """A chat that runs. Use as a context: it is watched meanwhile."""

    url: str
    watch: Watch

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin to watch. Raises EngineError."""

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @property
    @abstractmethod
    def machine(self) -> str:
        """What it runs on, for the results."""

    # --- containers, or units ----------------------------------------------------------------

    @abstractmethod
    def containers(self, service: str | None = None) -> list[Container]:
        """Those of one service or of all, in the order of SERVICES."""

    def container(self, service: str, place: int = 0) -> Container:
        """One of a service; raises EngineError when it does not run."""
        found = self.containers(service)
        if len(found) <= place:
            raise EngineError(f"{service} does not run at {self.url}")
        return found[place]

    @abstractmethod
    def healthy(self) -> list[str]:
        """What is not as it should be, by whoever supervises it; nothing when all is well."""

    @abstractmethod
    def restart(self, container: Container) -> None:
        """As an operator does it; returns when that is done, as the two below."""

    @abstractmethod
    def stop(self, container: Container) -> None: ...

    @abstractmethod
    def start(self, container: Container) -> None: ...

    @abstractmethod
    def reload_nginx(self) -> None: ...

    # --- processes ---------------------------------------------------------------------------

    @abstractmethod
    def processes(self, service: str | None = None) -> list[Process]:
        """Every process of the stack, or of one service, by pid."""

    @abstractmethod
    def signal(self, processes: Process | Iterable[Process], number: signal.Signals) -> float:
        """Signal processes from outside; returns when. Gone ones are left out."""

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
        keys = {each.key for each in found}
        return [each for each in found if each.parent_key not in keys]

    def http_workers(self) -> list[Process]:
        """The processes that serve, children of the masters."""
        found = self._gunicorns()
        keys = {each.key for each in found}
        return [each for each in found if each.parent_key in keys]

    def _gunicorns(self) -> list[Process]:
        return [
            each
            for each in self.processes("http")
            if "gunicorn" in each.command and "docker-init" not in each.command
        ]

    def nginx_master(self) -> Process:
        """Of the nginx that the clients go through."""
        return next(p for p in self.processes("nginx") if "master process" in p.command)

    def nginx_workers(self) -> list[Process]:
        master = self.nginx_master()
        workers = [p for p in self.processes("nginx") if "worker process" in p.command]
        return [each for each in workers if each.parent_key == master.key]

    def postmaster(self) -> Process:
        """PostgreSQL's first process."""
        found = self.processes("postgres")
        keys = {each.key for each in found}
        first = [each for each in found if each.parent_key not in keys]
        return min(first, key=lambda process: process.inside)

    def backends(self, condition: str) -> list[Process]:
        """The server processes of connections that a condition on pg_stat_activity holds for."""
        inside = set(
            map(int, self.psql(f"SELECT pid FROM pg_stat_activity WHERE {condition}").split())
        )
        return [each for each in self.processes("postgres") if each.inside in inside]

    # --- database ----------------------------------------------------------------------------

    @abstractmethod
    def psql_command(self, database: str = "chatire") -> list[str]:
        """A command here that is psql there, as superuser, and reads SQL from its input."""

    def psql(self, sql: str, within: float = 60.0) -> str:
        """What psql -At prints, on the chat's database; raises EngineError."""
        return engine.run(*self.psql_command(), within=within, stdin=sql)

    def value(self, sql: str) -> int:
        return int(self.psql(sql))

    def accepts(self) -> bool:
        """Whether PostgreSQL takes connections and answers just now."""
        try:
            return self.psql("SELECT 1", within=3).strip() == "1"
        except EngineError:
            return False

    # --- commands ----------------------------------------------------------------------------

    @abstractmethod
    def manage(self, *words: str) -> str:
        """One of Django's management commands."""

    # --- readings ----------------------------------------------------------------------------

    def readings(self) -> Readings:
        """What it holds now."""
        memory: Counter[str] = Counter()
        files: Counter[str] = Counter()
        fullest: Counter[str] = Counter()
        for each in self.processes():
            memory[each.service] += each.private
            files[each.service] += each.files
            fullest[each.service] = max(fullest[each.service], each.files)
        counted = json.loads(self.psql(_COUNTS))
        return Readings(
            memory=dict(memory),
            files=dict(files),
            fullest=dict(fullest),
            connections=counted["connections"],
            advisory_locks=counted["advisory"],
            rows=counted["rows"],
        )


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
