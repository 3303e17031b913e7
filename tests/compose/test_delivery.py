"""The delivery check says what did not answer, and leaves nobody behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from conftest import Wait
from scripts import Run, containers, docker, image, run_program


def check(url: str) -> Run:
    return run_program(
        [
            "docker",
            "run",
            "--rm",
            "--network=host",
            "--read-only",
            image("app"),
            "check",
            url,
        ]
    )


@pytest.fixture
def url() -> str:
    """The tests' own stack."""
    return f"http://127.0.0.1:{os.environ['CHATIRE_PORT']}"


@pytest.fixture
def without_ws(project: str, wait_until: Wait) -> Iterator[None]:
    """The stack with its ws tier stopped; it is back after the test."""
    replicas = containers(project, "ws")
    assert replicas
    docker("stop", *replicas)
    yield
    docker("start", *replicas)
    state = ["inspect", "--format={{.State.Health.Status}}", *replicas]
    wait_until(lambda: set(docker(*state).split()) == {"healthy"}, "the ws tier is back")


def test_an_address_where_nobody_listens() -> None:
    run = check("http://127.0.0.1:1")
    run.refused("POST /auth/users/: no answer", "refused")


def test_what_is_no_address() -> None:
    run = check("localhost:8080")
    assert run.status == 2
    assert "'localhost:8080' is no address" in run.errors


def test_a_stack_whose_messages_arrive(url: str, project: str) -> None:
    run = check(url).succeeded()
    assert "5 messages posted over HTTP arrived" in run.output
    prefix = run.output.splitlines()[0].removeprefix("prefix: ")
    assert prefix.startswith("smoke-")
    http = containers(project, "http")
    removed = docker("exec", http[0], "role", "manage", "smoke_cleanup", "--prefix", prefix)
    assert removed.startswith("2 users and 1 chats"), removed


@pytest.mark.usefixtures("without_ws")
def test_a_stack_whose_messages_do_not_arrive(url: str, project: str) -> None:
    """Everything else answers: only the check can tell."""
    run = check(url)
    run.refused("WebSocket /ws/chats/", "not opened")
    (postgres,) = containers(project, "postgres")
    prefix = run.output.splitlines()[0].removeprefix("prefix: ")
    sql = f"SELECT count(*) FROM auth_user WHERE username LIKE '{prefix}%'"
    assert docker("exec", postgres, "psql", "-Atc", sql) == "2", "the check got that far"
    http = containers(project, "http")
    docker("exec", http[0], "role", "manage", "smoke_cleanup", "--prefix", prefix)
    assert docker("exec", postgres, "psql", "-Atc", sql) == "0"
