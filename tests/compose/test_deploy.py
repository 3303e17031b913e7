"""`make deploy` and `make rollback` under traffic, on the tests' own stack: nobody notices.

The versions that are deployed are the stack's own image with a line more.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from chat_client import Account, Chat, Socket
from conftest import Wait
from scripts import COMMANDS, REPOSITORY, Run, command, containers, docker, environment, image
from websockets.exceptions import WebSocketException

# Between two posts of one author.
PAUSE_SECONDS = 0.05
SOCKETS = 40
# How a client of docs/protocol.md comes back: at once, then a little later each time.
RETRY_SECONDS = (0.0, 0.2, 0.4, 0.8, 1.6)

# Versions that do not come up: one that ends, one that is never ready, one that only looks well.
ENDING = r"RUN sed -i 's/^    server.run()/    raise SystemExit(1)/' realtime/server.py"
UNREADY = "RUN echo 'raise SystemExit(1)' >/opt/chatire/tier_health.py"
MUTE = "RUN echo 'raise SystemExit(1)' >ops/management/commands/round_trip.py"
CONTRACTING = (
    'RUN sed -i \'s/^ "chat.0002_history": null/ "chat.0002_history": null,\\n'
    ' "chat.9999_takes_away": "RemoveField takes away what the release before uses"/\''
    " /opt/chatire/migrations.json"
)


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


@dataclass
class Listener:
    """A member who stays in a room whatever happens: comes back by number, as a client does."""

    account: Account
    room: str
    seen: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def run(self, last: Callable[[], int | None], ready: threading.Event) -> None:
        epoch: str | None = None
        lost_at: float | None = None
        tries = 0
        while True:
            try:
                after = self.seen[-1] if self.seen else None
                with self.account.socket(self.room, after=after, epoch=epoch) as socket:
                    epoch = socket.until("ready")["epoch"]
                    # What was missed comes before it.
                    self.seen += [frame["seq"] for frame in socket.of("message")]
                    if lost_at is not None:
                        self.gaps.append(time.monotonic() - lost_at)
                    lost_at, tries = None, 0
                    ready.set()
                    if self.read(socket, last):
                        return
            except (OSError, WebSocketException, AssertionError):
                pass
            if lost_at is None:
                lost_at = time.monotonic()
            time.sleep(
                RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)] * secrets.randbelow(100) / 100
            )
            tries += 1

    def read(self, socket: Socket, last: Callable[[], int | None]) -> bool:
        """Read until the last message was seen; False when the server closed first."""
        while True:
            final = last()
            if final is not None and self.seen and self.seen[-1] >= final:
                return True
            try:
                frame = socket.receive(0.5)
            except TimeoutError:
                continue
            except WebSocketException as closed:
                received = getattr(closed, "rcvd", None)
                self.codes.append(received.code if received else 1006)
                return False
            if frame["type"] == "message":
                self.seen.append(frame["seq"])


class Traffic:
    """A room with sockets in it and somebody who posts all the time."""

    def __init__(self, chat: Chat) -> None:
        self.prefix = f"smoke-{secrets.token_hex(4)}-"
        password = secrets.token_urlsafe(16)
        self.author = chat.sign_up(f"{self.prefix}author", password)
        reader = chat.sign_up(f"{self.prefix}reader", password)
        self.room = self.author.create_chat()
        reader.join(self.room)
        self.listeners = [Listener(reader, self.room) for _ in range(SOCKETS)]
        self.posted: list[int] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._last: int | None = None

    def post(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self.author.request(
                    "POST", f"/api/chats/{self.room}/messages/", json={"message": "during"}
                )
                if answer.status_code == 201:
                    self.posted.append(answer.json()["seq"])
                else:
                    self.failed.append(f"{answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                self.failed.append(repr(error))
            self._stop.wait(PAUSE_SECONDS)

    def during(self, action: Callable[[], Run]) -> Run:
        """What the action came to; everybody goes on until they have seen the last message."""
        events = [threading.Event() for _ in self.listeners]
        threads = [
            threading.Thread(target=each.run, args=(lambda: self._last, ready), daemon=True)
            for each, ready in zip(self.listeners, events, strict=True)
        ]
        for thread in threads:
            thread.start()
        assert all(ready.wait(30) for ready in events), "not every socket opened"
        poster = threading.Thread(target=self.post, daemon=True)
        poster.start()
        try:
            run = action()
        finally:
            self._stop.set()
            poster.join(15)
            self._last = self.posted[-1]
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads), "a reader misses the last message"
        return run

    def nothing_lost(self) -> None:
        assert not self.failed, f"{len(self.failed)} posts failed: {self.failed[:3]}"
        assert self.posted == list(range(self.posted[0], self.posted[-1] + 1))
        for listener in self.listeners:
            assert listener.seen == self.posted

    def codes(self) -> set[int]:
        return {code for listener in self.listeners for code in listener.codes}

    def gaps(self) -> list[float]:
        return sorted(gap for listener in self.listeners for gap in listener.gaps)


@pytest.fixture
def traffic(project: str) -> Iterator[Traffic]:
    chat = Chat(f"http://localhost:{os.environ['CHATIRE_PORT']}")
    busy = Traffic(chat)
    yield busy
    chat.close()
    http = containers(project, "http")[0]
    docker("exec", http, "role", "manage", "smoke_cleanup", "--prefix", busy.prefix)


def nginx_workers(project: str) -> list[str]:
    (nginx,) = containers(project, "nginx")
    return sorted(
        line
        for line in docker("top", nginx, "-eo", "pid,args").splitlines()
        if "worker process" in line
    )


# --- a version that is good -----------------------------------------------------------------


def test_a_deploy_and_a_rollback_lose_nothing_and_nobody_notices(
    project: str, version: Callable[..., str], traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    before, workers = replicas(project), nginx_workers(project)
    old = running_image(project)
    new = version(
        "good", "RUN echo 'body{color:red}' >/opt/chatire/ui/assets/new-12345678.css",
        "RUN sed -i s/chatire/chatire2/ /opt/chatire/ui/index.html",
    )  # fmt: skip
    page, assets = fetch("/"), assets_of(fetch("/"))

    run = traffic.during(lambda: command("deploy", IMAGE=new)).succeeded()

    traffic.nothing_lost()
    assert traffic.codes() == {1012}, "each socket was told to come back"
    assert not before & replicas(project)
    assert "good runs at" in run.output
    assert nginx_workers(project) == workers, "nginx was neither restarted nor reloaded"
    gaps = traffic.gaps()
    assert len(gaps) == SOCKETS, "each came back once"
    with capsys.disabled():
        posts, p95 = len(traffic.posted), statistics.quantiles(gaps, n=20)[-1]
        figures = f"{posts} posts, {SOCKETS} sockets: without one for {p95:.2f} s (95 %)"
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
    project: str, version: Callable[..., str], traffic: Traffic, name: str, line: str, said: str
) -> None:
    before, old = replicas(project), running_image(project)
    broken = version(name, line)
    run = traffic.during(lambda: command("deploy", IMAGE=broken, READY_SECONDS="15"))
    assert run.status == 1, run
    assert said in run.errors, run
    assert replicas(project) == before
    assert running_image(project) == old
    traffic.nothing_lost()
    assert traffic.codes() == set(), "no socket was cut"
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
    project: str, version: Callable[..., str], traffic: Traffic, wait_until: Wait
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

    run = traffic.during(a_bad_day).succeeded()
    assert "finishing it" in run.output, run
    assert running_image(project) == old
    traffic.nothing_lost()
    assert traffic.codes() == {1012}
