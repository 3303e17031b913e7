"""The containers of the stack that is tested, for the tests that kill something in it."""

from __future__ import annotations

import os
import subprocess

PROJECT = os.environ.get("CHATIRE_PROJECT", "chatire")


def replicas(service: str) -> list[str]:
    """The ids of a service's running containers; empty where there is no engine to ask."""
    labels = {"project": PROJECT, "service": service}
    filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    try:
        return _docker("ps", "--quiet", *filters).split()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []


def kill_process(container: str) -> None:
    """Kills the service's process without notice; the engine starts the container again.

    From inside, for an engine takes a container that it killed itself as meant to stay down. The
    first process is an init that only reaps: the service is its child.
    """
    _docker("exec", container, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")


def shortened(access: str, seconds: int) -> str:
    """The same access token, signed by the server to run out `seconds` from now."""
    code = (
        "from datetime import timedelta\n"
        "from accounts.tokens import SessionAccessToken\n"
        f"token = SessionAccessToken({access!r})\n"
        f"token.set_exp(lifetime=timedelta(seconds={seconds}))\n"
        "print(token)"
    )
    answer = _docker("exec", replicas("http")[0], "role", "manage", "shell", "-v", "0", "-c", code)
    return answer.split()[-1]


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout
