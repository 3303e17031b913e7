"""The container engine's client, as used by the chaos runner."""

from __future__ import annotations

import json
import subprocess
from typing import Any


class EngineError(Exception):
    """A command failed; says which, and what it printed."""


def run(
    *command: str,
    within: float | None = 120,
    env: dict[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command; returns what it printed, raises EngineError."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
            env=env,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"$ {' '.join(command)}\nnot done within {within:g} s") from error
    if done.returncode:
        raise EngineError(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}".strip())
    return done.stdout


def docker(*arguments: str, within: float | None = 120) -> str:
    return run("docker", *arguments, within=within)


def inspect(identity: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(docker("inspect", identity))[0]
    return described
