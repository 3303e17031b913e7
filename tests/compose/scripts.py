"""The scripts under test, run as make runs them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS = REPOSITORY / "compose/commands"

# A whole `up` on a busy machine with two cores; one that hangs must not hang the tests.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Run:
    """How a script ended and what it said."""

    status: int
    output: str
    errors: str

    def __str__(self) -> str:
        return f"exit status {self.status}\n{self.output}\n{self.errors}"

    def refused(self, *words: str) -> None:
        """Assert that it ended with one line that has all these words, and status 1."""
        assert self.status == 1, self
        assert self.errors.count("\n") == 1, f"not one line\n{self}"
        for word in words:
            assert word in self.errors, f"{word!r} is not in it\n{self}"

    def succeeded(self) -> Run:
        """Assert that it ended well; returns itself."""
        assert self.status == 0, self
        return self


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment with these changes; None takes a variable out."""
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def run_program(command: list[str], changes: Mapping[str, str | None] | None = None) -> Run:
    """Run a program at the root of the checkout, with these changes to the environment."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment(changes or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def command(name: str, *arguments: str, **changes: str | None) -> Run:
    """Run `make NAME`'s script with these changes to the environment."""
    return run_program([str(COMMANDS / name), *arguments], changes)


def steps(script: str, **changes: str | None) -> Run:
    """Run some of the steps alone: bash, with all of them at hand."""
    source = f". {REPOSITORY}/compose/steps/begin.sh\n{script}"
    return run_program(["bash", "-c", source, "steps"], changes)


def docker(*arguments: str) -> str:
    """What the engine's client prints; raises AssertionError with what it said."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stderr}"
    return done.stdout.strip()


def containers(project: str, service: str | None = None, *, stopped: bool = False) -> list[str]:
    """The containers of a project, or of one of its services."""
    filters = [f"--filter=label=com.docker.compose.project={project}"]
    if service:
        filters.append(f"--filter=label=com.docker.compose.service={service}")
    if stopped:
        filters.append("--all")
    return docker("ps", "--quiet", "--no-trunc", *filters).split()


def image(name: str) -> str:
    """An image of the tests' own stack."""
    return f"chatire/{name}:{os.environ['CHATIRE_PROJECT']}"
