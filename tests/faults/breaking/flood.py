"""Far more than there is room for, from an address of its own, for limits count for each address.

Everything at once: sockets that come until there is no more room and then go on knocking, sockets
that send frames without a pause, posts without a pause, and readers that stop reading the room that
the posts go to. Each answer is counted by its name, with the longest that anybody waited for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import engine
from breaking.engine import Trouble, docker

FOLDER = Path(__file__).resolve().parents[1]
# The ledger's requirements, in the image with the tools.
PYTHON = "/opt/bench/bin/python"
# Beside the flood itself: its container's start and end.
BESIDE_SECONDS = 60.0


@dataclass(frozen=True)
class Order:
    """What the flood is to do."""

    host: str  # the Host that the site answers to
    token: str
    busy: str  # the room that posts go to, and that the stalled readers are in
    quiet: str  # the room of everybody else
    seconds: float
    knockers: int = 40
    frame_senders: int = 10
    posters: int = 8
    readers: int = 20


@dataclass(frozen=True)
class Heard:
    """How often one thing was answered, and the longest wait for it in seconds."""

    count: int
    slowest: float


@dataclass(frozen=True)
class Told:
    """What became of a flood: by kind (handshakes, sockets, frames, posts) and answer."""

    answers: dict[str, dict[str, Heard]]
    # Each reader's seconds without reading, and how it ended: `open`, `cut` or a close code.
    readers: list[tuple[float, str]]


@contextmanager
def address(project: str) -> Iterator[str]:
    """A container in nginx's network, that runs no longer than this lasts; returns its id."""
    identity = docker(
        *("run", "--detach", "--rm", "--init", f"--network={project}_front"),
        *("--user=65534:65534", "--cap-drop=ALL", "--cap-add=DAC_READ_SEARCH", "--read-only"),
        *(f"--label=chatire.faults={project}", f"--volume={FOLDER}:{FOLDER}:ro"),
        *(f"--workdir={FOLDER}", f"chatire/tools:{project}", "sleep", "infinity"),
    )
    try:
        yield identity
    finally:
        docker("rm", "--force", identity)


def flood(identity: str, order: Order) -> Told:
    """Flood from that container, to the end; raises Trouble with what it said."""
    printed = engine.run(
        *("docker", "exec", "--interactive", identity),
        *(PYTHON, "-B", "-m", "breaking.flooder"),
        stdin=json.dumps(asdict(order)),
        within=order.seconds + BESIDE_SECONDS,
    )
    try:
        told = json.loads(printed)
    except ValueError:
        raise Trouble(f"the flood said {printed!r}") from None
    answers = {
        kind: {name: Heard(*heard) for name, heard in by_name.items()}
        for kind, by_name in told["answers"].items()
    }
    return Told(answers, [(float(seconds), name) for seconds, name in told["readers"]])
