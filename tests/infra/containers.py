"""A Compose project and its containers; the only module that knows of these."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from target import ROLES, Health, Limits, Node, SecretFile, Target

REPOSITORY = Path(__file__).resolve().parents[2]
SECRETS = "/run/secrets"
# Longer than any node takes to drain and stop, so that none is killed in a test of stopping.
STOP_SECONDS = 60


class Container(Node):
    """A node that is a container."""

    def __init__(self, role: str, identity: str, description: Mapping[str, Any]) -> None:
        number = description["Config"]["Labels"].get("com.docker.compose.container-number", "1")
        super().__init__(role, f"{role}-{number}")
        self.identity = identity
        self._description = description
        self._host: Host = testinfra.get_host(f"docker://{identity}")
        self._root: Host = testinfra.get_host(f"docker://0@{identity}")

    def run(self, command: str, *args: str, as_root: bool = False) -> CommandResult:
        return (self._root if as_root else self._host).run(command, *args)

    @cached_property
    def main_pid(self) -> int:
        """Process 1, or the first child of an init that only reaps."""
        first = self.check("tr '\\0' ' ' </proc/1/cmdline")
        if not re.match(r"\S*(docker-init|tini|catatonit|dumb-init)\b", first):
            return 1
        return int(self.check("cat /proc/1/task/1/children").split()[0])

    @property
    def declared_user(self) -> str:
        return str(self._description["Config"]["User"])

    @property
    def health(self) -> Health:
        fresh = inspect(self.identity)
        state = fresh["State"].get("Health") or {"Status": "none", "Log": []}
        test = (fresh["Config"].get("Healthcheck") or {}).get("Test") or []
        return Health(
            passing=state["Status"] == "healthy",
            check=" ".join(test),
            report=json.dumps((state.get("Log") or [])[-1:]),
        )

    @property
    def limits(self) -> Limits:
        configured = self._description["HostConfig"]
        log = configured["LogConfig"].get("Config") or {}
        size = _bytes(log.get("max-size"))
        return Limits(
            memory_bytes=configured["Memory"] or None,
            processes=configured["PidsLimit"] or None,
            log_bytes=size and size * int(log.get("max-file", 1)),
        )

    @property
    def restarts_by_itself(self) -> bool:
        policy = self._description["HostConfig"]["RestartPolicy"]["Name"]
        return policy in ("always", "unless-stopped")

    @property
    def published(self) -> Sequence[tuple[str, int]]:
        ports = self._description["NetworkSettings"]["Ports"] or {}
        return [
            (binding["HostIp"], int(binding["HostPort"]))
            for bindings in ports.values()
            for binding in bindings or ()
        ]

    @cached_property
    def secret_files(self) -> Sequence[SecretFile]:
        listing = self.check(
            "test ! -d %s || find %s -type f -exec stat -c '%%a %%u %%n' {} +", SECRETS, SECRETS
        )
        return [
            SecretFile(path=path, mode=int(mode, 8), uid=int(uid))
            for mode, uid, path in (line.split(" ", 2) for line in listing.splitlines())
        ]

    @property
    def starts(self) -> tuple[str, int]:
        fresh = inspect(self.identity)
        return fresh["State"]["StartedAt"], fresh["RestartCount"]

    def restart(self) -> CommandResult:
        return self._engine("restart --time %s %s", str(STOP_SECONDS), self.identity)

    def stop(self) -> CommandResult:
        return self._engine("stop --time %s %s", str(STOP_SECONDS), self.identity)

    def start(self) -> CommandResult:
        return self._engine("start %s", self.identity)

    def _engine(self, command: str, *arguments: str) -> CommandResult:
        self.forget()
        return local().run(f"docker {command}", *arguments)

    @property
    def address(self) -> str:
        # Asked anew: a container that restarted may have got another one.
        networks = inspect(self.identity)["NetworkSettings"]["Networks"].values()
        return str(next(network["IPAddress"] for network in networks if network["IPAddress"]))

    @property
    def has_way_out(self) -> bool:
        """Asked of the engine, which drops what leaves an internal network: the route is there."""
        networks = inspect(self.identity)["NetworkSettings"]["Networks"].values()
        identities = [network["NetworkID"] for network in networks]
        described = json.loads(docker("network", "inspect", *identities).stdout)
        return not all(network["Internal"] or network["Driver"] == "null" for network in described)

    @property
    def image(self) -> str:
        return str(self._description["Image"])

    @property
    def secret_sources(self) -> set[Path]:
        """The directories outside that its secrets come from."""
        return {
            Path(mount["Source"]).parent
            for mount in self._description["Mounts"]
            if mount["Destination"].startswith(SECRETS)
        }

    def log(self) -> str:
        return str(docker("logs", self.identity, merge=True).stdout)

    def records(self) -> Mapping[str, str]:
        return {
            f"docker inspect {self.name}": json.dumps(inspect(self.identity)),
            f"environments in {self.name}": self.environments,
            f"arguments in {self.name}": "\n".join(process.command for process in self.processes),
        }


class Compose(Target):
    """The containers of one Compose project."""

    def __init__(self, project: str, url: str) -> None:
        self.project = project
        self.place = f"the Compose project {project}"
        self._known: dict[str, Container] = {}
        self.url = url

    def nodes(self, role: str | None = None) -> list[Node]:
        return list(self.containers(role))

    def containers(self, role: str | None = None) -> list[Container]:
        listed = docker(
            "ps",
            "--no-trunc",
            f"--filter=label=com.docker.compose.project={self.project}",
            "--filter=label=com.docker.compose.oneoff=False",
            '--format={{.Label "com.docker.compose.service"}} {{.ID}}',
        )
        found = []
        for service, identity in map(str.split, listed.stdout.splitlines()):
            if service in (ROLES if role is None else (role,)):
                if identity not in self._known:
                    self._known[identity] = Container(service, identity, inspect(identity))
                found.append(self._known[identity])
        return sorted(found, key=lambda each: (ROLES.index(each.role), each.name))

    @cached_property
    def _postgres(self) -> Container:
        return self.containers("postgres")[0]

    def psql(self, sql: str) -> CommandResult:
        return self._postgres.run("psql -Atc %s", sql)

    def manage(self, *arguments: str) -> CommandResult:
        words = " ".join(["%s"] * len(arguments))
        return self.nodes("http")[0].run(f"python3 manage.py {words}", *arguments)

    def places(self) -> Mapping[str, str]:
        images = {node.role: node.image for node in self.containers()}
        recorded = {}
        for role, image in images.items():
            recorded[f"docker history of the {role} image"] = docker(
                "history", "--no-trunc", image
            ).stdout
            recorded[f"docker image inspect of the {role} image"] = docker(
                "image", "inspect", image
            ).stdout
        return recorded

    def secret_directories(self) -> Mapping[str, int]:
        """Looked at through a container, for the suite may itself run in one.

        The store is the directory that all the others lie in.
        """
        sources = {source for node in self.containers() for source in node.secret_sources}
        store = os.path.commonpath(sources)
        image = self.containers("http")[0].image
        look = f"run --rm --network=none --volume={store}:/store:ro --user=0 --entrypoint=stat"
        mode = docker(*look.split(), image, "-c", "%a", "/store").stdout.strip()
        return {store: int(mode, 8)}

    def scale(self, http: int, ws: int) -> CommandResult:
        port = self.url.rsplit(":", 1)[1]
        return local().run(
            "cd %s && CHATIRE_PROJECT=%s CHATIRE_PORT=%s make --no-print-directory scale"
            " HTTP=%s WS=%s",
            str(REPOSITORY),
            self.project,
            port,
            str(http),
            str(ws),
        )


def local() -> Host:
    return testinfra.get_host("local://")


@dataclass(frozen=True)
class Printed:
    stdout: str


def docker(*arguments: str, merge: bool = False) -> Printed:
    """Run the engine's client; raises AssertionError with what it said."""
    done = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, (
        f"$ docker {' '.join(arguments)}\n(exit status {done.returncode})\n{done.stderr}"
    )
    return Printed(done.stdout)


def inspect(identity: str) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(docker("inspect", identity).stdout)[0]
    return description


def _bytes(size: str | None) -> int | None:
    """Docker's way to write a size, 10m, as bytes."""
    if not size:
        return None
    number, unit = re.fullmatch(r"(\d+)([bkmg]?)", size.lower()).groups()  # type: ignore[union-attr]
    return int(number) * {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}[unit]
