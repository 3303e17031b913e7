"""A replica whose clock can be moved: libfaketime, loaded into one container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from breaking.engine import docker
from breaking.twin import in_place_of

FOLDER = "/faketime"


@dataclass(frozen=True)
class Clock:
    """The wall clock of one container; the monotonic one is left alone, as a step leaves it."""

    volume: str
    image: str

    def step(self, seconds: float) -> None:
        """Set it so many seconds off the machine's from now on."""
        # In one piece, for it is read at any moment.
        write = f"cat >{FOLDER}/new && chmod 644 {FOLDER}/new && mv {FOLDER}/new {FOLDER}/now"
        self.run(write, f"{seconds:+g}\n")

    def run(self, command: str, stdin: str = "") -> None:
        docker(
            *("run", "--rm", "--interactive", "--network=none", "--user=0"),
            *(f"--volume={self.volume}:{FOLDER}", self.image, "sh", "-c", command),
            stdin=stdin,
        )


@contextmanager
def stand_in(container: str, image: str) -> Iterator[tuple[str, Clock]]:
    """In a container's place one that is like it, but for its clock: its id and the clock."""
    volume = docker("volume", "create", "--label=chatire.faults=clock")
    clock = Clock(volume, image)
    try:
        clock.run(f"cp /usr/lib/*/faketime/libfaketime.so.1 {FOLDER}")
        clock.step(0)
        options = (
            f"--volume={volume}:{FOLDER}:ro",
            f"--env=LD_PRELOAD={FOLDER}/libfaketime.so.1",
            f"--env=FAKETIME_TIMESTAMP_FILE={FOLDER}/now",
            # How long a read of that file is good for, in seconds.
            "--env=FAKETIME_CACHE_DURATION=1",
            "--env=FAKETIME_DONT_FAKE_MONOTONIC=1",
        )
        with in_place_of(container, *options) as twin:
            yield twin, clock
    finally:
        docker("volume", "rm", "--force", volume)
