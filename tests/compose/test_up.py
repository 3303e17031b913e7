"""`make up` on a stack that runs, that changed, and that was left half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from conftest import Wait
from scripts import COMMANDS, REPOSITORY, command, containers, docker, environment, steps


def starts(project: str) -> dict[str, str]:
    """When each container of a project was started, the one-shots too."""
    listing = docker(
        "inspect", "--format={{.Name}} {{.State.StartedAt}}", *containers(project, stopped=True)
    )
    return dict(line.split(" ") for line in listing.splitlines())


def accounts(project: str) -> str:
    (postgres,) = containers(project, "postgres")
    return docker("exec", postgres, "psql", "-Atc", "SELECT count(*) FROM auth_user")


def test_a_second_up_changes_nothing_and_delivers_a_message(project: str) -> None:
    before = starts(project), accounts(project)
    assert len(before[0]) == 8, before
    output = command("up").succeeded().output
    assert "nothing to change" in output
    assert "arrived on the other's WebSocket" in output
    assert f"http://localhost:{os.environ['CHATIRE_PORT']}" in output
    assert (starts(project), accounts(project)) == before


def test_only_one_command_at_a_time_works_on_a_stack(project: str, wait_until: Wait) -> None:
    hold = "read_settings; one_at_a_time; echo held; exec sleep 60"
    source = f". {REPOSITORY}/compose/steps/begin.sh\n{hold}"
    with subprocess.Popen(["bash", "-c", source], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        try:
            command("up", LOCK_PATIENCE="1").refused("another make command", project)
        finally:
            holder.kill()


def test_status_names_every_container_for_people_and_for_programs(project: str) -> None:
    table = command("status").succeeded().output
    listed = json.loads(command("status", FORMAT="json").succeeded().output)
    assert listed["project"] == project
    assert listed["address"] in table
    assert {each["service"] for each in listed["containers"]} == {
        "postgres", "migrate", "http", "ws", "nginx-config", "nginx",
    }  # fmt: skip
    for each in listed["containers"]:
        assert each["name"] in table
        assert each["health"] in ("healthy", "done", "0"), each


def test_a_superuser_is_made_without_its_password_showing(project: str) -> None:
    (postgres,) = containers(project, "postgres")
    named = {"DJANGO_SUPERUSER_USERNAME": "smoke-admin"}
    password = {"DJANGO_SUPERUSER_PASSWORD": "correct-horse-battery-staple"}
    run = command("superuser", **named, **password).succeeded()
    assert password["DJANGO_SUPERUSER_PASSWORD"] not in run.output + run.errors
    sql = "DELETE FROM auth_user WHERE username = 'smoke-admin' AND is_superuser RETURNING 1"
    assert docker("exec", postgres, "psql", "-Atqc", sql) == "1"


def test_destroy_does_nothing_unasked(project: str) -> None:
    before = starts(project)
    command("destroy").refused("for good", "CONFIRM=yes")
    assert starts(project) == before


# --- a stack that comes and goes ------------------------------------------------------------


@pytest.fixture
def other(engine_folder: Path, project: str) -> Iterator[Mapping[str, str]]:
    """The settings of a second stack; it is removed at the end."""
    port = (
        steps("read_settings; . $here/steps/suites.sh; free_port 19500").succeeded().output.strip()
    )
    settings = {
        "CHATIRE_PROJECT": f"{project}-other",
        "CHATIRE_PORT": port,
        "CHATIRE_SECRETS_DIR": str(engine_folder / "secrets"),
        "CHATIRE_ENV_FILE": str(engine_folder / "env"),
        "CHATIRE_HTTP_REPLICAS": "1",
        "CHATIRE_WS_REPLICAS": "1",
    }
    yield settings
    command("destroy", CONFIRM="yes", **settings).succeeded()
    assert not containers(settings["CHATIRE_PROJECT"], stopped=True)
    volumes = docker(
        "volume", "ls", "--quiet", f"--filter=label=com.docker.compose.project={project}-other"
    )
    assert not volumes, volumes


def kill_when(settings: Mapping[str, str], holds: Callable[[], object], wait_until: Wait) -> None:
    """Start `make up` and kill it with all its children once this holds."""
    with subprocess.Popen(
        [str(COMMANDS / "up")],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        wait_until(lambda: holds() or running.poll() is not None, "the moment to kill it")
        assert running.poll() is None, "it ended before it could be killed"
        os.killpg(running.pid, signal.SIGKILL)


def test_an_up_that_was_killed_is_finished_by_the_next(
    other: Mapping[str, str], wait_until: Wait
) -> None:
    project = other["CHATIRE_PROJECT"]
    kill_when(other, lambda: (Path(other["CHATIRE_SECRETS_DIR"]) / "http").exists(), wait_until)
    kill_when(other, lambda: containers(project, "postgres", stopped=True), wait_until)
    kill_when(other, lambda: containers(project, "http", stopped=True), wait_until)
    command("up", **other).succeeded()

    # Down keeps the data, and what comes back has it.
    mark = ["psql", "-Atqc", "CREATE TABLE mark AS SELECT 42 AS value"]
    docker("exec", containers(project, "postgres")[0], *mark)
    command("down", **other).succeeded()
    assert not containers(project, stopped=True)
    command("up", **other).succeeded()
    read = ["psql", "-Atqc", "SELECT value FROM mark"]
    assert docker("exec", containers(project, "postgres")[0], *read) == "42"

    # Edit and see: the tiers run the source, and start again when it changes.
    command("dev", FOLLOW="no", **other).succeeded()
    (http,) = containers(project, "http")
    assert docker("exec", http, "sh", "-c", "echo $CHATIRE_ENV") == "development"
    (REPOSITORY / "app/manage.py").touch()
    wait_until(lambda: "a file changed" in docker("logs", http), "the http tier starts again")
    command("up", **other).succeeded()
    (http,) = containers(project, "http")
    assert docker("exec", http, "sh", "-c", "echo $CHATIRE_ENV") == "production"

    # A changed setting reaches the services it is for, and no other.
    before = starts(project)
    command("up", **{**other, "CHATIRE_WS_MAX_SOCKETS": "50"}).succeeded()
    after = starts(project)
    changed = {name for name in after if before.get(name) != after[name]}
    assert f"/{project}-ws-1" in changed
    assert f"/{project}-postgres-1" not in changed
