"""The agent by itself: a real one is started, given commands, and left."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import Containers
from hands import Hands


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    """As the kernel tells: S sleeping, T stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def becomes(pid: int, wanted: str) -> bool:
    deadline = time.monotonic() + 5
    while state(pid) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return state(pid) == wanted


def test_a_container_is_told_by_its_control_groups() -> None:
    identity = "0123456789abcdef" * 4
    assert Containers().owner(f"0::/system.slice/docker-{identity}.scope") == identity
    assert Containers().owner("0::/system.slice/cron.service") == ""


def test_what_was_stopped_goes_on_when_the_agent_is_left(sleeper: subprocess.Popen[bytes]) -> None:
    """As when the connection to a server breaks in the middle of a fault."""
    hands = Hands("here", list, ["units"], lambda *_: None)
    hands.ask("signal", pids=[sleeper.pid], signal=int(signal.SIGSTOP))
    assert becomes(sleeper.pid, "T")
    hands.close()
    assert becomes(sleeper.pid, "S")
