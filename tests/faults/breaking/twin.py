"""A container in another one's place: all that it has, and something more or else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from breaking.engine import Trouble, docker

# Longer than any service takes to stop by itself.
STOP_SECONDS = 60


@contextmanager
def in_place_of(
    container: str, *options: str, volumes: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Stop a container, run its twin with further options of `docker run`; undone at the end.

    `volumes` names other volumes for some of its mount points. A twin of a tier takes over the
    slot that has become free, and one of PostgreSQL its name, so nobody needs to be told.
    """
    made = json.loads(docker("inspect", container))[0]
    twin = ""
    docker("stop", f"--time={STOP_SECONDS}", container, within=STOP_SECONDS + 30)
    try:
        words = _words(made, volumes or {})
        twin = docker(
            "run", "--detach", *words, *options, made["Image"], *(made["Config"]["Cmd"] or [])
        )
        yield twin
    finally:
        if twin:
            with suppress(Trouble):
                docker("stop", f"--time={STOP_SECONDS}", twin, within=STOP_SECONDS + 30)
            docker("rm", "--force", twin)
        docker("start", container)


def _words(made: dict[str, Any], volumes: Mapping[str, str]) -> Sequence[str]:
    """The options that make a container like the one described."""
    config, host = made["Config"], made["HostConfig"]
    network = next(iter(made["NetworkSettings"]["Networks"]))
    service = config["Labels"]["com.docker.compose.service"]
    words = [
        f"--user={config['User']}",
        "--read-only",
        "--cap-drop=ALL",
        "--restart=unless-stopped",
    ]
    words += ["--security-opt=no-new-privileges:true", f"--memory={host['Memory']}"]
    words += [f"--pids-limit={host['PidsLimit']}", f"--shm-size={host['ShmSize']}"]
    words += [f"--network={network}", f"--network-alias={service}"]
    words += ["--init"] * bool(host.get("Init"))
    words += [f"--tmpfs={path}:{options}" for path, options in (host["Tmpfs"] or {}).items()]
    words += [f"--env={each}" for each in config["Env"]]
    words += [f"--ulimit={u['Name']}={u['Soft']}:{u['Hard']}" for u in host["Ulimits"] or []]
    for mount in made["Mounts"]:
        if mount["Type"] != "tmpfs":
            source = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
            source = volumes.get(mount["Destination"], source)
            words.append(f"--volume={source}:{mount['Destination']}{'' if mount['RW'] else ':ro'}")
    return words
