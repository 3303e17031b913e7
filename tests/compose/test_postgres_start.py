"""The database's own start: made once, whole or not at all, and closed to everybody else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from conftest import Wait
from scripts import REPOSITORY, docker, image

PASSWORDS = REPOSITORY / "compose/tools/unit-passwords"
CLUSTER = "/var/lib/postgresql/17"


class Database:
    """One volume and the containers that have it, one after another."""

    def __init__(self, volume: str) -> None:
        self.volume = volume
        self.id = ""

    def start(self, *options: str) -> None:
        self.id = docker(
            "run", "--detach", "--network=none", "--read-only", "--cap-drop=ALL",
            "--tmpfs=/tmp", "--tmpfs=/run/postgresql:uid=10010,gid=10010",
            f"--volume={self.volume}:/var/lib/postgresql", f"--volume={PASSWORDS}:/run/secrets:ro",
            *options, image("postgres"),
        )  # fmt: skip

    def answers(self, sql: str) -> str | None:
        done = subprocess.run(
            ["docker", "exec", self.id, "psql", "-Atc", sql],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def has(self, path: str) -> bool:
        done = subprocess.run(["docker", "exec", self.id, "test", "-e", path], check=False)
        return done.returncode == 0

    def log(self) -> str:
        done = subprocess.run(
            ["docker", "logs", self.id],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    def running(self) -> bool:
        return docker("inspect", "--format={{.State.Running}}", self.id) == "true"

    def kill(self) -> None:
        docker("kill", self.id)
        self.remove()

    def remove(self) -> None:
        if self.id:
            docker("rm", "--force", self.id)
            self.id = ""


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database(docker("volume", "create"))
    yield made
    made.remove()
    docker("volume", "rm", made.volume)


@pytest.fixture
def ready(database: Database, wait_until: Wait) -> Callable[[], None]:
    def wait() -> None:
        wait_until(lambda: database.answers("SELECT 1") == "1", "PostgreSQL answers")

    return wait


ROLES = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'"


def test_a_making_that_was_killed_is_done_again_by_the_next_start(
    database: Database, ready: Callable[[], None], wait_until: Wait
) -> None:
    database.start()
    wait_until(lambda: database.has(f"{CLUSTER}.new/PG_VERSION"), "initdb is at work")
    assert not database.has(CLUSTER), "the cluster was whole before it could be killed"
    database.kill()
    database.start()
    ready()
    assert database.answers(ROLES) == "chatire_app chatire_owner postgres"
    assert not database.has(f"{CLUSTER}.new")


def test_what_was_committed_outlives_a_kill(database: Database, ready: Callable[[], None]) -> None:
    database.start()
    ready()
    assert database.answers("CREATE TABLE kept AS SELECT 42 AS value") is not None
    database.kill()
    database.start()
    ready()
    assert database.answers("SELECT value FROM kept") == "42"


def test_it_stops_at_once_although_a_client_is_connected(
    database: Database, ready: Callable[[], None], wait_until: Wait
) -> None:
    database.start()
    ready()
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with subprocess.Popen(["docker", "exec", database.id, "psql", "-c", "SELECT pg_sleep(300)"]):
        wait_until(lambda: database.answers(asleep) == "1", "the client is connected")
        docker("stop", "--time=30", database.id)
    state = docker("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", database.id)
    assert state == "0 false"
    assert "database system is shut down" in database.log()


def test_without_its_password_nothing_is_made(database: Database, wait_until: Wait) -> None:
    database.start("--env=CHATIRE_SECRETS_DIR=/nowhere")
    wait_until(lambda: not database.running(), "the container has ended")
    assert "/nowhere/postgres_owner_password is missing" in database.log()
