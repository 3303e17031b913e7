"""`make deploy` and `make rollback` under traffic, on the tests' own stack: nobody notices.

The versions that are deployed are the stack's own image with a line more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from conftest import Wait
from ledger.beside import Count, counting
from scripts import COMMANDS, REPOSITORY, Run, command, containers, docker, environment, image

# One busy room, half of whose messages are posts; whoever is away at the end has 20 s to return.
SOCKETS = 40
SIZE = ("--rooms=1", f"--clients={SOCKETS}", "--people=2", "--rate=40", "--settle=20")
# A post that takes longer than this has failed.
PATIENCE_SECONDS = 10.0

# Versions that do not come up: one that ends, one that is never ready, one that only looks well.
ENDING = r"RUN sed -i 's/^    server.run()/    raise SystemExit(1)/' realtime/server.py"
UNREADY = "RUN echo 'raise SystemExit(1)' >/opt/chatire/tier_health.py"
MUTE = "RUN echo 'raise SystemExit(1)' >ops/management/commands/round_trip.py"
CONTRACTING = (
    'RUN sed -i \'s/^ "chat.0001_initial": null/ "chat.0001_initial": null,\\n'
    ' "chat.9999_takes_away": "RemoveField takes away what the release before uses"/\''
    " /opt/chatire/migrations.json"
)


class Counted(NamedTuple):
    """How a command ended, and what was counted while it ran."""

    run: Run
    count: Count

    def nothing_lost(self) -> None:
        self.count.expect_clean("database", PATIENCE_SECONDS)


During = Callable[[Callable[[], Run]], Counted]


# --- versions -------------------------------------------------------------------------------


@pytest.fixture
def version(project: str) -> Iterator[Callable[..., str]]:
    """Makes a version of the application: the image that runs with these lines more."""
    made: list[str] = []
    base = docker("image", "inspect", "--format={{.Id}}", image("app"))

    def make(name: str, *lines: str) -> str:
        tag = f"chatire-variant/app:{project}-{name}"
        dockerfile = "\n".join([
            f"FROM {image('app')}", "USER 0:0", *lines, "USER 10011:10000",
            # Another input, or another stack would take it for its own.
            f"LABEL chatire.inputs=variant-{name} chatire.version={name}",
        ])  # fmt: skip
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", tag, "-"],
            input=dockerfile, text=True, check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )  # fmt: skip
        made.append(tag)
        return tag

    yield make
    if running_image(project) != base:
        docker("tag", base, "chatire-variant/app:base")
        command("deploy", IMAGE=base, CONTRACT="yes").succeeded()
    docker("image", "rm", "--force", *made)


def running_image(project: str) -> str:
    """The image of all replicas of both tiers."""
    replicas = [*containers(project, "http"), *containers(project, "ws")]
    (running,) = set(docker("inspect", "--format={{.Image}}", *replicas).split())
    return running


def replicas(project: str) -> set[str]:
    return {*containers(project, "http"), *containers(project, "ws")}


# --- traffic --------------------------------------------------------------------------------


@pytest.fixture
def traffic(project: str, tmp_path: Path) -> Iterator[During]:
    """Does something under traffic: what that came to, and what the ledger counted meanwhile."""
    prefixes: list[str] = []

    def during(action: Callable[[], Run]) -> Counted:
        (postgres,) = containers(project, "postgres")
        with counting(
            tmp_path, f"--url=http://localhost:{os.environ['CHATIRE_PORT']}",
            f"--psql=docker exec {postgres} psql -Atqc", *SIZE,
        ) as ledger:  # fmt: skip
            prefixes.append(ledger.prefix)
            run = action()
        return Counted(run, ledger.count)

    yield during
    http = containers(project, "http")[0]
    for prefix in prefixes:
        docker("exec", http, "role", "manage", "smoke_cleanup", "--prefix", prefix)


def nginx_workers(project: str) -> list[str]:
    (nginx,) = containers(project, "nginx")
    return sorted(
        line
        for line in docker("top", nginx, "-eo", "pid,args").splitlines()
        if "worker process" in line
    )


# --- a version that is good -----------------------------------------------------------------


def test_a_deploy_and_a_rollback_lose_nothing_and_nobody_notices(
    project: str, version: Callable[..., str], traffic: During, capsys: pytest.CaptureFixture[str]
) -> None:
    before, workers = replicas(project), nginx_workers(project)
    old = running_image(project)
    new = version(
        "good", "RUN echo 'body{color:red}' >/opt/chatire/ui/assets/new-12345678.css",
        "RUN sed -i s/chatire/chatire2/ /opt/chatire/ui/index.html",
    )  # fmt: skip
    page, assets = fetch("/"), assets_of(fetch("/"))

    deploy = traffic(lambda: command("deploy", IMAGE=new))

    deploy.run.succeeded()
    deploy.nothing_lost()
    count = deploy.count
    assert count.cuts == {"1012": SOCKETS}, "each socket was told to come back, once"
    assert not before & replicas(project)
    assert "good runs at" in deploy.run.output
    assert nginx_workers(project) == workers, "nginx was neither restarted nor reloaded"
    assert count.away["count"] == SOCKETS, "each came back once"
    with capsys.disabled():
        sent, p95 = count.told["acked"], count.away["p95"]
        figures = f"{sent} messages, {SOCKETS} sockets: without one for {p95:.2f} s (95 %)"
        sys.stdout.write(f"\n  {figures}\n")

    # The page is the new one, and what the old one names is still to be had.
    assert fetch("/") != page
    assert fetch("/assets/new-12345678.css") == "body{color:red}\n"
    assert all(fetch(asset) for asset in assets)

    # What others see of it.
    status = json.loads(command("status", FORMAT="json").succeeded().output)
    assert status["release"] == "good"
    assert len([each for each in status["containers"] if each["service"] in ("http", "ws")]) == len(
        before
    )

    after = replicas(project)
    command("rollback").succeeded()
    assert running_image(project) == old
    assert fetch("/") == page
    assert not after & replicas(project)
    assert "nothing to change" in command("up").succeeded().output


def fetch(path: str) -> str:
    answer = httpx.get(f"http://localhost:{os.environ['CHATIRE_PORT']}{path}", trust_env=False)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return answer.text


def assets_of(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('="')[1:] if part.startswith("/assets/")]


def test_a_deploy_of_what_runs_changes_nothing(project: str) -> None:
    before = replicas(project)
    assert "nothing to change" in command("deploy").succeeded().output
    assert replicas(project) == before


# --- versions that are not ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("ending", ENDING, "did not become ready: it ended"),
        ("unready", UNREADY, "did not become ready: after"),
        ("mute", MUTE, "no message came through it"),
    ],
)
def test_a_version_that_does_not_come_up_is_taken_away_and_nobody_notices(
    project: str, version: Callable[..., str], traffic: During, name: str, line: str, said: str
) -> None:
    before, old = replicas(project), running_image(project)
    broken = version(name, line)
    # Waited for in full by the one that is told by it only.
    patience = {"READY_SECONDS": "15"} if name == "unready" else {}
    deploy = traffic(lambda: command("deploy", IMAGE=broken, **patience))
    run = deploy.run
    assert run.status == 1, run
    assert said in run.errors, run
    assert replicas(project) == before
    assert running_image(project) == old
    deploy.nothing_lost()
    assert deploy.count.cuts == {}, "no socket was cut"
    assert "nothing to change" in command("up").succeeded().output


def test_a_migration_that_breaks_what_runs_is_refused_with_the_reason(
    project: str, version: Callable[..., str]
) -> None:
    before = replicas(project)
    contracting = version("contracting", CONTRACTING)
    command("deploy", IMAGE=contracting).refused(
        "contracting", "chat.9999_takes_away", "RemoveField takes away", "CONTRACT=yes"
    )
    assert replicas(project) == before


def test_a_rollback_over_a_migration_that_cannot_be_undone_is_refused(
    project: str, version: Callable[..., str]
) -> None:
    contracting = version("contracting", CONTRACTING)
    command("deploy", IMAGE=contracting, CONTRACT="yes").succeeded()
    after = replicas(project)
    (postgres,) = containers(project, "postgres")
    columns, row = "app, name, applied", "'chat', '9999_takes_away', now()"
    applied = f"INSERT INTO django_migrations ({columns}) VALUES ({row})"
    docker("exec", postgres, "psql", "-qc", applied)
    try:
        command("rollback").refused("chat.9999_takes_away stands between them", "RemoveField")
        assert replicas(project) == after
    finally:
        gone = "DELETE FROM django_migrations WHERE name = '9999_takes_away'"
        docker("exec", postgres, "psql", "-qc", gone)


# --- a deploy that is killed ----------------------------------------------------------------


def kill_deploy_when(reached: Callable[[str], bool], wait_until: Wait, **changes: str) -> None:
    """Start `make deploy`, kill it and its children once this holds of what it has printed."""
    with tempfile.NamedTemporaryFile() as log, subprocess.Popen(
        [str(COMMANDS / "deploy")], env=environment(changes), stdin=subprocess.DEVNULL,
        stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    ) as running:  # fmt: skip
        printed = Path(log.name)
        try:
            wait_until(
                lambda: reached(printed.read_text()) or running.poll() is not None,
                "the moment to kill it",
            )
            assert running.poll() is None, f"it ended before:\n{printed.read_text()}"
        finally:
            os.killpg(running.pid, signal.SIGKILL)


def test_a_deploy_that_was_killed_is_undone_or_finished_by_the_next_command(
    project: str, version: Callable[..., str], traffic: During, wait_until: Wait
) -> None:
    old, count = running_image(project), len(replicas(project))
    new = version("good")
    record = REPOSITORY / f"compose/.state/{project}/roll"

    def settled(_: str) -> bool:
        return record.exists() and "phase=settled" in record.read_text()

    def ended(step: str) -> Callable[[str], bool]:
        return lambda output: f"\n  {step} " in "\n" + output

    def a_bad_day() -> Run:
        for step in ("Migrate", "Start", "Prove", "Hand over"):
            kill_deploy_when(ended(step), wait_until, IMAGE=new)
            run = command("up").succeeded()
            assert running_image(project) == old, f"killed after {step}\n{run}"
            assert len(replicas(project)) == count
        # From here on the new version runs; `up` would bring the checkout's in its place.
        kill_deploy_when(settled, wait_until, IMAGE=new)
        return command("rollback")

    day = traffic(a_bad_day)
    run = day.run.succeeded()
    assert "finishing it" in run.output, run
    assert running_image(project) == old
    day.nothing_lost()
    assert set(day.count.cuts) == {"1012"}
