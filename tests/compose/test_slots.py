"""A replica takes the lowest free slot, keeps it while it lives, and hands it over in one step.

Run with the application's image and a stand-in for gunicorn, which makes a file where it was told
to listen and stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Wait
from scripts import docker, image

Start = Callable[[], "Replica"]

GUNICORN = """#!/bin/bash
: >"${CHATIRE_BIND#unix:}"
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
        self.host = self.id[:12]
        self.socket = folder / f"run/http/replica-{self.host}.sock"

    def slots(self) -> list[int]:
        """Those it took, one for each of its lives."""
        return [int(slot) for slot in re.findall(r"http: slot (\d+)", docker("logs", self.id))]

    def do(self, *arguments: str) -> str:
        return docker("exec", self.id, "/usr/local/bin/role", "slots", *arguments)

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
    """Starts one and waits until it listens."""
    started: list[Replica] = []

    def start() -> Replica:
        new = Replica(slots)
        started.append(new)
        wait_until(new.socket.exists, "a replica listens")
        return new

    yield start
    if started:
        docker("rm", "--force", *(each.id for each in started))


def serving(slots: Path) -> dict[str, str]:
    """Which replica each slot leads to."""
    links = (slots / "run/http").glob("*.sock")
    return {link.stem: link.readlink().stem for link in links if link.is_symlink()}


def test_replicas_take_the_lowest_free_slots(replica: Start) -> None:
    assert [replica().slots() for _ in range(3)] == [[1], [2], [3]]


def test_the_slot_of_a_killed_replica_is_free_although_its_socket_is_still_there(
    replica: Start,
) -> None:
    first, second = replica(), replica()
    first.kill()
    assert first.socket.exists()
    assert replica().slots() == [1]
    assert second.slots() == [2]
    assert not first.socket.exists(), "what is left of the dead goes"


def test_a_replica_that_comes_back_has_the_slot_it_had(replica: Start, wait_until: Wait) -> None:
    replica()
    second = replica()
    second.kill()
    second.start()
    wait_until(lambda: second.slots() == [2, 2], "it is back in its slot")


def test_a_replica_whose_slot_was_taken_meanwhile_takes_another(
    replica: Start, slots: Path, wait_until: Wait
) -> None:
    first = replica()
    first.kill()
    other = replica()
    first.start()
    wait_until(lambda: first.slots() == [1, 2], "the first is back in the second slot")
    assert serving(slots) == {"1": f"replica-{other.host}", "2": f"replica-{first.host}"}


def test_a_slot_is_handed_over_and_back(replica: Start, slots: Path) -> None:
    old, new = replica(), replica()
    before = serving(slots)
    new.do("give", "http", "1", new.host)
    assert serving(slots) == {"1": f"replica-{new.host}", "2": f"replica-{old.host}"}
    new.do("give", "http", "1", new.host)
    assert serving(slots)["1"] == f"replica-{new.host}", "done again it changes nothing"
    assert new.do("list", "http").splitlines() == [f"1 {new.host}", f"2 {old.host}"]
    old.do("give", "http", "1", old.host)
    assert serving(slots) == before


def test_what_was_given_away_is_not_taken_back_by_a_restart(
    replica: Start, slots: Path, wait_until: Wait
) -> None:
    old, new = replica(), replica()
    new.do("give", "http", "1", new.host)
    old.kill()
    old.start()
    wait_until(lambda: old.slots() == [1, 2], "the old one is back")
    assert serving(slots)["1"] == f"replica-{new.host}"


def test_replicas_that_start_in_a_deploy_keep_out_of_nginxs_slots(
    replica: Start, wait_until: Wait
) -> None:
    first, second = replica(), replica()
    first.kill()
    second.do("reserve", "http", "3")
    assert replica().slots() == [3]
    first.start()
    wait_until(lambda: first.slots() == [1, 1], "one that served before is back where it was")
    second.do("reserve", "http")
    first.kill()
    assert replica().slots() == [1]
