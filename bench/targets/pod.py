"""The containers of one `make bench`: all on one loopback, nothing else in sight."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 60.0
POSTGRES_PORT = 5432
# The engine's default is 1024, and its hard limit is all that there is.
OPEN_FILES = 20_000


class PodError(Exception):
    """Something of the pod did not start, or a command in it failed; the last line says why."""


def run(*command: str) -> str:
    """Run a command; returns what it printed, raises PodError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PodError(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    return done.stdout


@dataclass
class Pod:
    """What runs in the namespace that `compose/steps/pod.sh` has made."""

    project: str = field(default_factory=lambda: os.environ["CHATIRE_PROJECT"])
    root: Path = field(default_factory=lambda: Path(os.environ["CHATIRE_ROOT"]))
    secrets: Path = field(default_factory=lambda: Path(os.environ["CHATIRE_SECRETS_DIR"]))
    # role -> container id
    containers: dict[str, str] = field(default_factory=dict)

    def start(
        self,
        role: str,
        image: str,
        *command: str,
        env: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        port: int | None = None,
    ) -> None:
        """Start a container; with `port`, returns when something listens there.

        Raises PodError with the end of its log when it does not come up.
        """
        self.stop(role)
        self.containers[role] = run(
            "docker", "run", "--detach", "--init", "--name", f"{self.project}-{role}",
            "--label", f"chatire.pod={self.project}", "--network", f"container:{self.project}",
            "--ulimit", f"nofile={OPEN_FILES}:{OPEN_FILES}",
            *[part for name, value in (env or {}).items() for part in ("--env", f"{name}={value}")],
            *options, f"chatire/{image}:{self.project}", *command,
        ).strip()  # fmt: skip
        if port is not None:
            self.wait_for(role, port)

    def once(self, image: str, *command: str, env: dict[str, str], options: tuple[str, ...]) -> str:
        """Run a command in a container of its own to its end; returns what it printed."""
        return run(
            "docker", "run", "--rm", "--init", "--label", f"chatire.pod={self.project}",
            "--network", f"container:{self.project}",
            *[part for name, value in env.items() for part in ("--env", f"{name}={value}")],
            *options, f"chatire/{image}:{self.project}", *command,
        )  # fmt: skip

    def wait_for(self, role: str, port: int) -> None:
        """Wait until something accepts on a port. Raises PodError."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if role in self.containers and not self.lives(role):
                    break
                time.sleep(0.1)
            else:
                return
        raise PodError(f"{role} does not listen on port {port}:\n{self.log(role)}")

    def lives(self, role: str) -> bool:
        identity = self.containers[role]
        return "true" in run("docker", "inspect", "--format", "{{.State.Running}}", identity)

    def log(self, role: str) -> str:
        """The end of a container's log."""
        name = f"{self.project}-{role}"
        done = subprocess.run(
            ["docker", "logs", "--tail", "30", name], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr)[-4000:]

    def stop(self, *roles: str) -> None:
        """Remove containers at once; those that are not there are passed over."""
        for role in roles:
            subprocess.run(
                ["docker", "rm", "--force", "--volumes", f"{self.project}-{role}"],
                capture_output=True,
                check=False,
            )
            self.containers.pop(role, None)

    def volume(self, name: str, *options: str) -> str:
        """Make a volume that goes with the pod; returns its name."""
        label = f"chatire.pod={self.project}"
        return run(
            "docker", "volume", "create", "--label", label, *options, f"{self.project}-{name}"
        ).strip()

    # -- PostgreSQL ---------------------------------------------------------------------------

    def start_postgres(self) -> None:
        """The kit's own image and configuration, fsync on, on a volume of the disk."""
        data = self.volume("postgres")
        hba = self.root / "compose/tools/pg_hba.conf"
        self.start(
            "postgres", "postgres", "-c", "hba_file=/etc/chatire/open_hba.conf",
            env={"CHATIRE_SECRETS_DIR": "/run/secrets"},
            options=(
                "--shm-size", "256m", "--volume", f"{data}:/var/lib/postgresql",
                "--volume", f"{self.secrets}:/run/secrets:ro",
                "--volume", f"{hba}:/etc/chatire/open_hba.conf:ro",
            ),
            port=POSTGRES_PORT,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("SELECT 1")
            except PodError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def sql(self, query: str, database: str = "chatire") -> list[list[str]]:
        """The rows of a query by the superuser, as text."""
        printed = run(
            "docker", "exec", self.containers["postgres"], "psql", "-d", database, "-v",
            "ON_ERROR_STOP=1", "-Atqc", query,
        )  # fmt: skip
        return [line.split("|") for line in printed.splitlines()]
