"""What the probes are told, and what clients are told while the database is away."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import InternalError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from psycopg.errors import ReadOnlySqlTransaction

from ops import health
from ops.middleware import is_database_away
from tests.people import make_person

APP = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30.0


def wait_for(what: Callable[[], object], message: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.05)
    pytest.fail(f"{message} within {DEADLINE_SECONDS:g} s")


@pytest.fixture(autouse=True)
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)


@pytest.mark.django_db
class TestProbes:
    def test_the_process_lives_without_asking_anybody(self) -> None:
        # No database is allowed here: `healthz` must not need one.
        assert Client().get("/healthz").json() == {"status": "ok"}

    def test_it_can_serve_with_all_migrations_applied(self) -> None:
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_it_cannot_serve_before_they_are(self) -> None:
        [newest] = MigrationLoader(connection).graph.leaf_nodes("chat")
        MigrationRecorder(connection).record_unapplied(*newest)
        answer = Client().get("/readyz")
        assert answer.status_code == 503
        assert ".".join(newest) in answer.json()["detail"]
        assert answer.headers["Retry-After"]
        MigrationRecorder(connection).record_applied(*newest)
        assert Client().get("/readyz").status_code == 200


def test_healthz_asks_no_database() -> None:
    # Without the database fixture any query would fail the test.
    assert Client().get("/healthz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_role_that_owns_nothing_can_say_whether_it_is_ready() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS app_probe")
        cursor.execute("CREATE ROLE app_probe")
        try:
            cursor.execute(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app_probe"
            )
            cursor.execute("SET ROLE app_probe")
            assert health.not_ready() is None
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY app_probe")
            cursor.execute("DROP ROLE app_probe")


def test_only_what_passes_counts_as_the_database_being_away() -> None:
    assert is_database_away(OperationalError("server closed the connection"))
    standby = InternalError("read-only")
    standby.__cause__ = ReadOnlySqlTransaction()
    assert is_database_away(standby)
    assert not is_database_away(InternalError("something else"))
    assert not is_database_away(ValueError())


class Relay:
    """A way to PostgreSQL that can be shut and opened: the database away, without touching it."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.open = True
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Cuts what is connected and takes nothing new."""
        self.open = False
        for one in self.sockets:
            _cut(one)
        self.sockets.clear()

    def close(self) -> None:
        self.shut()
        _cut(self.listener)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                client.close()
                continue
            server = socket.create_connection(self.target)
            self.sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
    finally:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(transactional_db: Any) -> Iterator[Relay]:
    database = settings.DATABASES["default"]
    relay = Relay(database["HOST"], int(database["PORT"]))
    yield relay
    relay.close()


@pytest.fixture
def http_tier(relay: Relay, tmp_path: Path) -> Iterator[httpx.Client]:
    """The real http tier: gunicorn with its own configuration, on the way through the relay."""
    path = tmp_path / "http.sock"
    log = (tmp_path / "gunicorn.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "chatire/gunicorn.conf.py", "chatire.wsgi"],
        cwd=APP,
        stdout=log,
        stderr=log,
        env={
            **os.environ,
            "CHATIRE_ENV": "test",
            "DJANGO_SETTINGS_MODULE": "chatire.settings.test",
            "CHATIRE_TIER": "http",
            "CHATIRE_BIND": f"unix:{path}",
            "CHATIRE_HTTP_WORKERS": "1",
            "CHATIRE_HTTP_THREADS": "3",
            "CHATIRE_DB_HOST": "127.0.0.1",
            "CHATIRE_DB_PORT": str(relay.port),
            "CHATIRE_DB_NAME": connection.settings_dict["NAME"],
        },
    )
    transport = httpx.HTTPTransport(uds=str(path))
    try:
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=20) as client:
            wait_for(lambda: path.exists() or process.poll() is not None, "no socket")
            yield client
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_SECONDS)
        finally:
            process.kill()
            log.close()
            print((tmp_path / "gunicorn.log").read_text())  # noqa: T201 - shown when a test fails
            # The worker's last connections may take a moment to go.
            wait_for(lambda: _others() == 0, "connections stayed")


def _others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        row: tuple[int] = cursor.fetchone()
    return row[0]


@pytest.mark.slow
class TestTheDatabaseAway:
    def test_clients_are_told_to_come_back_and_are_served_when_they_do(
        self, http_tier: httpx.Client, relay: Relay
    ) -> None:
        person = make_person("dora")
        connection.close()
        headers = {"Authorization": f"Bearer {person.access}"}
        assert http_tier.get("/readyz").status_code == 200
        assert http_tier.get("/api/chats/", headers=headers).status_code == 200

        relay.shut()
        for path in ("/api/chats/", "/auth/users/me/"):
            started = time.monotonic()
            answer = http_tier.get(path, headers=headers)
            assert answer.status_code == 503
            assert answer.json()["code"] == "unavailable"
            assert int(answer.headers["Retry-After"]) > 0
            # What it takes to connect in vain, and a little.
            assert time.monotonic() - started < 6
        unready = http_tier.get("/readyz")
        assert (unready.status_code, unready.json()["code"]) == (503, "unready")
        assert http_tier.get("/healthz").status_code == 200

        relay.open = True
        wait_for(lambda: http_tier.get("/readyz").status_code == 200, "not ready again")
        assert http_tier.get("/api/chats/", headers=headers).status_code == 200

    def test_a_restart_of_the_database_costs_no_request(
        self, http_tier: httpx.Client, relay: Relay
    ) -> None:
        person = make_person("dora")
        headers = {"Authorization": f"Bearer {person.access}"}
        assert http_tier.get("/api/chats/", headers=headers).status_code == 200
        with connection.cursor() as cursor:
            # Until they have gone: without the time-out they are told to go, and one that is
            # asked in that moment goes in the middle of its answer.
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'chatire-http'"
            )
            assert cursor.fetchone()[0] >= 1
        connection.close()
        for _ in range(5):
            assert http_tier.get("/api/chats/", headers=headers).status_code == 200

    def test_a_request_waits_for_a_database_that_is_back_within_a_second(
        self, http_tier: httpx.Client, relay: Relay
    ) -> None:
        person = make_person("dora")
        connection.close()
        headers = {"Authorization": f"Bearer {person.access}"}
        assert http_tier.get("/api/chats/", headers=headers).status_code == 200
        relay.shut()
        back = threading.Timer(0.6, setattr, (relay, "open", True))
        back.start()
        started = time.monotonic()
        assert http_tier.get("/api/chats/", headers=headers).status_code == 200
        assert time.monotonic() - started > 0.3
        back.join()

    def test_the_tier_holds_no_more_connections_than_it_has_threads(
        self, http_tier: httpx.Client, relay: Relay
    ) -> None:
        person = make_person("dora")
        headers = {"Authorization": f"Bearer {person.access}"}
        connection.close()

        def ask() -> None:
            for _ in range(10):
                assert http_tier.get("/api/chats/", headers=headers).status_code == 200

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'chatire-http'"
            )
            assert 1 <= cursor.fetchone()[0] <= 3


def test_psycopg_is_built_in() -> None:
    """The wheels carry libpq: nothing is compiled on a server."""
    assert psycopg.pq.__impl__ == "binary"
