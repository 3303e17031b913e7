"""A replica takes the lowest free slot, keeps it as long as it lives, and no longer.

Run with the application's image and a stand-in for gunicorn, which says where it was told to
listen and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Wait
from scripts import docker, image

Start = Callable[[], "Replica"]

GUNICORN = """#!/bin/bash
: >"${CHATIRE_BIND#unix:}"
echo "bound to $CHATIRE_BIND"
exec sleep 300
"""


class Replica:
    """One container of the http role."""

    def __init__(self, folder: Path) -> None:
        self.id = docker(
            "run", "--detach", "--init", "--network=none", "--user=0:0",
            f"--volume={folder}/bin:/stand-in:ro", f"--volume={folder}/run:/run/chatire",
            "--env=PATH=/stand-in:/usr/bin:/bin", image("app"), "http",
        )  # fmt: skip

    def bound_to(self) -> str:
        return docker("logs", self.id).removeprefix("bound to unix:/run/chatire/http/")

    def kill(self) -> None:
        docker("kill", "--signal=KILL", self.id)

    def start(self) -> None:
        docker("start", self.id)


@pytest.fixture
def slots(engine_folder: Path) -> Path:
    (engine_folder / "bin").mkdir()
    (engine_folder / "run/http").mkdir(parents=True)
    gunicorn = engine_folder / "bin/gunicorn"
    gunicorn.write_text(GUNICORN)
    gunicorn.chmod(0o755)
    return engine_folder


@pytest.fixture
def replica(slots: Path, wait_until: Wait) -> Iterator[Start]:
    """Starts one and waits until it says where it listens."""
    started: list[Replica] = []

    def start() -> Replica:
        new = Replica(slots)
        started.append(new)
        wait_until(lambda: new.bound_to() or None, "a replica says where it listens")
        return new

    yield start
    if started:
        docker("rm", "--force", *(each.id for each in started))


def test_replicas_take_the_lowest_free_slots(replica: Start) -> None:
    assert [replica().bound_to() for _ in range(3)] == ["1.sock", "2.sock", "3.sock"]


def test_the_slot_of_a_killed_replica_is_free_although_its_socket_is_still_there(
    replica: Start, slots: Path
) -> None:
    first, second = replica(), replica()
    first.kill()
    assert (slots / "run/http/1.sock").exists()
    assert replica().bound_to() == "1.sock"
    assert second.bound_to() == "2.sock"


def test_a_replica_that_comes_back_elsewhere_names_one_slot_only(
    replica: Start, slots: Path, wait_until: Wait
) -> None:
    """The health check and `make scale` find a container's slot by its name in the lock files."""
    first = replica()
    first.kill()
    replica()
    first.start()
    wait_until(lambda: first.bound_to().endswith("2.sock"), "the first is back in the second slot")
    name = first.id[:12]
    locks = (slots / "run/http").glob("*.lock")
    assert [lock.name for lock in locks if name in lock.read_text()] == ["2.lock"]
