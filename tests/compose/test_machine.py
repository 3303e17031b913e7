"""What is missing on a machine is said before anything is done."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts import steps

# The part of `make up` that changes nothing; these tests must start nothing if they fail.
LOOK = "read_settings; check_engine; check_machine; echo nothing is in the way"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_port_taken_by_a_process_is_named_with_it(taken_port: int) -> None:
    run = steps(LOOK, CHATIRE_PROJECT="chatire-other", CHATIRE_PORT=str(taken_port))
    run.refused(f"port {taken_port}", f"process {os.getpid()}", "CHATIRE_PORT")


def test_a_port_taken_by_another_stack_is_named_with_it(project: str) -> None:
    """The tests' own stack holds CHATIRE_PORT."""
    run = steps(LOOK, CHATIRE_PROJECT="chatire-other")
    run.refused(os.environ["CHATIRE_PORT"], f"container {project}-nginx-1", "CHATIRE_PORT")


def test_a_listener_on_every_address_holds_the_port_too() -> None:
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::", 0))
        listener.listen()
        port = listener.getsockname()[1]
        run = steps("read_settings; port_is_taken && echo taken", CHATIRE_PORT=str(port))
    assert "taken" in run.succeeded().output


def test_a_free_port_is_free(taken_port: int) -> None:
    """Without this the tests above would pass where every port counts as taken."""
    script = "read_settings; port_is_taken || echo free"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = unused.getsockname()[1]
        assert "free" in steps(script, CHATIRE_PORT=str(port)).succeeded().output
    assert "free" not in steps(script, CHATIRE_PORT=str(taken_port)).output


@pytest.mark.parametrize(("workers", "needed"), [("1", 900), ("3", 1100)])
def test_too_little_memory_is_said_with_figures(tmp_path: Path, workers: str, needed: int) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:  2048000 kB\nMemAvailable:  307200 kB\n")
    settings = {"CHATIRE_PROJECT": "chatire-other", "CHATIRE_HTTP_WORKERS": workers}
    run = steps(LOOK, MEMINFO=str(table), **settings)
    run.refused("300 MB of memory", f"{needed} MB are needed")


def test_a_full_disk_is_said_with_figures(tmp_path: Path) -> None:
    fake = tmp_path / "df"
    fake.write_text("#!/bin/sh\necho Filesystem\necho /dev/x 100 88 12 88% /var/lib/docker\n")
    fake.chmod(0o755)
    run = steps(
        LOOK,
        CHATIRE_PROJECT="chatire-other",
        # The engine's own directory is not to be seen from inside a container.
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        DISK_PLACE="/",
    )
    run.refused("12 MB of disk are free", "needed", "docker system df")
