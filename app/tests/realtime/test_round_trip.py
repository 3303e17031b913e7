"""`manage.py round_trip`, the gate of every deployment, through real processes of both tiers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from chat.models import Chat
from tests.realtime.waiting import until
from tests.realtime.workers import APP, Worker, free_port


class Gunicorn:
    """One process of the http tier, on a database of this server."""

    def __init__(self, log: Path, database: str) -> None:
        self.bind = f"127.0.0.1:{free_port()}"
        self._log = log.open("w")
        settings = connection.settings_dict
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "chatire/gunicorn.conf.py", "chatire.wsgi"],
            cwd=APP,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "CHATIRE_ENV": "test",
                "CHATIRE_TIER": "http",
                "CHATIRE_BIND": self.bind,
                "CHATIRE_DB_NAME": database,
                "CHATIRE_DB_HOST": str(settings["HOST"]),
                "CHATIRE_DB_PORT": str(settings["PORT"]),
                "CHATIRE_DB_USER": str(settings["USER"]),
            },
        )
        until(lambda: "Booting worker" in log.read_text(), f"{log} says that it runs")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        self._log.close()


@pytest.fixture
def new_gunicorn(tmp_path: Path, committed: None) -> Iterator[Any]:
    """Start a process of the http tier on a database of this name."""
    started: list[Gunicorn] = []

    def start(database: str) -> Gunicorn:
        started.append(Gunicorn(tmp_path / "gunicorn.log", database))
        return started[-1]

    yield start
    for process in started:
        process.stop()
    print((tmp_path / "gunicorn.log").read_text())  # noqa: T201


@pytest.fixture(autouse=True)
def nothing_left(committed: None) -> Iterator[None]:
    """However it ends, the account and the chat that were made for it are gone."""
    chats = Chat.objects.count()
    yield
    assert not User.objects.filter(username__startswith="smoke-").exists()
    assert Chat.objects.count() == chats


def test_a_message_goes_through_a_ws_process(
    workers: tuple[Worker, Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    bind = f"127.0.0.1:{workers[0].port}"
    call_command("round_trip", "ws", bind)
    assert f"ws {bind}: a message went through in" in capsys.readouterr().out


def test_a_message_goes_through_an_http_process(
    new_gunicorn: Any, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    process = new_gunicorn(database)
    call_command("round_trip", "http", process.bind)
    assert f"http {process.bind}: a message went through in" in capsys.readouterr().out


@pytest.mark.parametrize("tier", ["http", "ws"])
def test_a_process_that_is_not_there_fails_it(tier: str) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match=f"{tier} {bind}: no round trip .*refused"):
        call_command("round_trip", tier, bind)


def test_a_ws_process_that_hangs_fails_it(new_worker: Any) -> None:
    worker = new_worker()
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        with pytest.raises(CommandError, match="no round trip"):
            call_command("round_trip", "ws", f"127.0.0.1:{worker.port}", seconds=1.0)
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def test_a_ws_process_on_another_database_fails_it(tmp_path: Path) -> None:
    """It answers, and knows neither the account nor the chat."""
    worker = Worker(tmp_path / "worker.log", CHATIRE_DB_NAME="postgres")
    try:
        until(lambda: worker.get("/healthz")[0] == 200, "alive")
        with pytest.raises(CommandError, match="no round trip"):
            call_command("round_trip", "ws", f"127.0.0.1:{worker.port}", seconds=5.0)
    finally:
        worker.stop()


def test_an_http_process_on_another_database_fails_it(new_gunicorn: Any) -> None:
    process = new_gunicorn("postgres")
    with pytest.raises(CommandError, match=r"POST was answered \d+, expected 201"):
        call_command("round_trip", "http", process.bind)
