"""A disk that can be filled without harm: PostgreSQL on a small file system in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from breaking.engine import beside_nothing, docker
from breaking.twin import in_place_of
from stack import PSQL

DATA = "/var/lib/postgresql"
# What the database may grow by before the disk is full, besides what it has.
ROOM_MB = 64


@dataclass(frozen=True)
class Disk:
    """PostgreSQL's twin on its small disk."""

    postgres: str

    def psql(self, sql: str) -> str:
        """What `psql -At` prints, as the operator; raises Trouble."""
        return docker("exec", "--interactive", self.postgres, *PSQL, "chatire", stdin=sql)

    def fill(self) -> None:
        """Leave nothing."""
        docker("exec", self.postgres, "sh", "-c", f"cat /dev/zero >{DATA}/filler 2>/dev/null || :")

    def empty(self, image: str, volume: str) -> None:
        """Give it all back; also while PostgreSQL does not run."""
        copy(image, f"--volume={volume}:/to", "rm -f /to/filler")


@contextmanager
def small_disk(postgres: str, image: str, volume: str) -> Iterator[tuple[Disk, str]]:
    """PostgreSQL with all its data on a small disk, and back on its own with what it has then.

    Only where the data is worth nothing: a machine that stops in between loses what came since.
    """
    used = int(docker("exec", postgres, "du", "-sm", DATA).split()[0])
    size = f"o=uid=10010,gid=10010,mode=0700,size={used + ROOM_MB}m"
    small = docker(
        "volume", "create", "--label=chatire.faults=disk",
        "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt={size}",
    )  # fmt: skip
    try:
        # Whoever has it mounted keeps it alive while PostgreSQL is down.
        with beside_nothing(image, f"--volume={small}:/held", "sleep", "infinity"):
            docker("stop", "--time=60", postgres, within=90)
            copy(
                image, f"--volume={volume}:/from:ro", f"--volume={small}:/to", "cp -a /from/. /to/"
            )
            with in_place_of(postgres, volumes={DATA: small}) as twin:
                try:
                    yield Disk(twin), small
                finally:
                    docker("stop", "--time=60", twin, within=90)
                    copy(
                        image, f"--volume={small}:/from", f"--volume={volume}:/to",
                        "rm -f /from/filler && rm -rf /to/17 && cp -a /from/. /to/",
                    )  # fmt: skip
    finally:
        docker("volume", "rm", "--force", small)


def copy(image: str, *words: str) -> None:
    """Run a shell command as root on volumes: options of `docker run`, the command last."""
    *options, command = words
    docker(
        *("run", "--rm", "--network=none", "--user=0", *options, image, "sh", "-c", command),
        within=120,
    )
