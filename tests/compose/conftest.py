"""Machines made up for the scripts, and what waits with a deadline."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts import REPOSITORY, docker

Wait = Callable[[Callable[[], object], str], None]


@pytest.fixture
def env_file(tmp_path: Path) -> Callable[[str], str]:
    """Writes a .env; gives its path."""

    def write(text: str) -> str:
        path = tmp_path / "env"
        path.write_text(text)
        return str(path)

    return write


class Bin:
    """A PATH of its own: every program of this machine but those of the engine, and stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"):
            for program in Path(place).glob("*"):
                link = folder / program.name
                if "docker" not in program.name and not link.exists():
                    link.symlink_to(program)

    def put(self, name: str, script: str) -> None:
        """A stand-in: a shell script under this name."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def __str__(self) -> str:
        return str(self.folder)


@pytest.fixture
def programs(tmp_path: Path) -> Bin:
    """The programs of a machine without a container engine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return Bin(folder)


@pytest.fixture
def engine_folder() -> Iterator[Path]:
    """A directory that the engine sees at the same path; gone after the test."""
    state = REPOSITORY / "compose/.state"
    state.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=state, prefix="test-folder."))
    yield folder
    # Files in it may belong to the users of containers.
    docker(
        "run", "--rm", "--user", "0:0", "--network=none", f"--volume={folder}:/folder",
        "chatire/base:trixie", "find", "/folder", "-mindepth", "1", "-delete",
    )  # fmt: skip
    shutil.rmtree(folder)


@pytest.fixture
def project() -> str:
    """The tests' own stack, which runs."""
    return os.environ["CHATIRE_PROJECT"]


@pytest.fixture
def wait_until() -> Wait:
    """Returns once it holds; fails with what did not come to hold."""

    def wait(holds: Callable[[], object], what: str, within: float = 60) -> None:
        deadline = time.monotonic() + within
        pause = threading.Event()
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
            pause.wait(0.05)

    return wait
