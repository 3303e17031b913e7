"""The engine's client, and containers that work inside another one's network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine import EngineError, run


class Trouble(EngineError):
    """Something could not be broken or looked at; says which command and what it printed."""


def docker(*arguments: str, stdin: str | None = None, within: float = 60.0) -> str:
    """Run the engine's client; returns what it printed. Raises Trouble when it fails."""
    try:
        return run("docker", *arguments, stdin=stdin, within=within).strip()
    except EngineError as error:
        raise Trouble(str(error)) from error


def in_network_of(container: str, image: str, *command: str, stdin: str | None = None) -> str:
    """Run a command of an image inside a container's network, as its administrator."""
    return docker("run", "--interactive", *_sharing(container), image, *command, stdin=stdin)


@contextmanager
def beside(container: str, image: str, *command: str, script: str | None = None) -> Iterator[str]:
    """A program that runs inside a container's network for as long as this lasts: its id.

    `script` is Python, run with `command` as its arguments.
    """
    words = ("python3", "-c", script, *command) if script else command
    identity = docker("run", "--detach", *_sharing(container), image, *words)
    try:
        yield identity
    finally:
        with suppress(Trouble):
            docker("kill", identity)


@contextmanager
def beside_nothing(image: str, *words: str) -> Iterator[str]:
    """A container without a network, for as long as this lasts: options, then a command."""
    options = [word for word in words if word.startswith("--")]
    command = [word for word in words if not word.startswith("--")]
    identity = docker("run", "--detach", "--network=none", *options, image, *command)
    try:
        yield identity
    finally:
        # Not --rm, which removes it some time later: its volume is free when this is over.
        docker("rm", "--force", identity)


def _sharing(container: str) -> list[str]:
    return ["--rm", f"--network=container:{container}", "--cap-drop=ALL", "--cap-add=NET_ADMIN"]


def restarts(container: str) -> tuple[int, str]:
    """How often the engine has started a container anew, and when last."""
    state = json.loads(docker("inspect", container))[0]
    return int(state["RestartCount"]), str(state["State"]["StartedAt"])


def answers(container: str, tier: str) -> bool:
    """Whether a replica says that it can serve: the same question as its health check's."""
    try:
        docker("exec", container, "python3", "-IS", "/opt/chatire/tier_health.py", tier)
    except Trouble:
        return False
    return True
