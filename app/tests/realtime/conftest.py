"""What the realtime suite shares: committed data, channel layers, worker processes.

These tests look at several processes at once, so their data is committed, into a database of the
suite's own, which is dropped in the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from django.db import connections

from realtime.flusher import hint_thread
from realtime.layer import HardenedPostgresChannelLayer
from tests.people import Person, make_person
from tests.realtime.rooms import make_room
from tests.realtime.waiting import query
from tests.realtime.workers import Worker


@contextlib.contextmanager
def _use(name: str) -> Iterator[None]:
    """Have Django talk to another database for a while."""
    default = connections["default"]
    connections.close_all()
    former, default.settings_dict["NAME"] = default.settings_dict["NAME"], name
    try:
        yield
    finally:
        hint_thread.close()
        connections.close_all()
        default.settings_dict["NAME"] = former


@pytest.fixture(scope="session")
def database(django_test_environment: None, django_db_blocker: Any) -> Iterator[str]:
    """A database of this suite's own, migrated; dropped in the end."""
    default = connections["default"]
    former = default.settings_dict["NAME"]
    test = default.settings_dict["TEST"]
    with django_db_blocker.unblock():
        with _use(former):
            test["NAME"] = f"test_{former.removeprefix('test_')}_realtime"
            name = default.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            test["NAME"] = None
        default.settings_dict["NAME"] = former
        yield name
        with _use(former):
            default.settings_dict["NAME"] = name
            default.creation.destroy_test_db(former, verbosity=0)


@pytest.fixture(autouse=True)
def committed(database: str, django_db_blocker: Any) -> Iterator[None]:
    """Let the test use the suite's database, without a transaction around it."""
    with django_db_blocker.unblock(), _use(database):
        yield


@pytest_asyncio.fixture
async def layer(committed: None) -> AsyncIterator[HardenedPostgresChannelLayer]:
    """A channel layer of this process, as a WebSocket worker has one."""
    layer = HardenedPostgresChannelLayer(tier="test")
    yield layer
    await layer.close()


@pytest_asyncio.fixture
async def other_layer(committed: None) -> AsyncIterator[HardenedPostgresChannelLayer]:
    """The channel layer of "another process": it shares nothing with `layer` but the database."""
    layer = HardenedPostgresChannelLayer(tier="other")
    yield layer
    await layer.close()


@pytest.fixture(scope="session")
def workers(
    database: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Worker, Worker]]:
    """Two WebSocket workers for tests that leave them as they were."""
    directory: Path = tmp_path_factory.mktemp("workers")
    with django_db_blocker.unblock(), _use(database):
        pair = Worker(directory / "one.log"), Worker(directory / "two.log")
        for worker in pair:
            worker.wait_until_ready()
    yield pair
    for worker in pair:
        worker.stop()


@pytest.fixture
def group_rows_of_others(committed: None) -> Iterator[None]:
    """Put back what a test that empties the table takes from the shared workers: they would not
    hear what is sent to all workers until they renew their rows."""
    table = "channels_postgres_groupchannel (group_key, channel, expire)"
    rows = query(f"SELECT group_key, channel, expire FROM {table.split()[0]}")
    yield
    for row in rows:
        query(f"INSERT INTO {table} VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", *row)


@pytest.fixture(autouse=True)
def show_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print the shared workers' logs of this test, for pytest to show when it fails."""
    if "workers" not in request.fixturenames:
        yield
        return
    pair: tuple[Worker, Worker] = request.getfixturevalue("workers")
    places = [worker.log_size() for worker in pair]
    yield
    for worker, place in zip(pair, places, strict=True):
        text = worker.log_text()[place:]
        print(f"--- {worker.log.name}\n{text}")  # noqa: T201
        assert "Traceback" not in text, text


@pytest.fixture
def new_worker(tmp_path: Path, committed: None) -> Iterator[Any]:
    """Start workers that this test may kill; the rest are stopped afterwards."""
    started: list[Worker] = []

    def start(**environ: str) -> Worker:
        worker = Worker(tmp_path / f"worker{len(started)}.log", **environ)
        started.append(worker)
        worker.wait_until_ready()
        return worker

    yield start
    for worker in started:
        worker.stop()
        print(f"--- {worker.log.name}\n{worker.log_text()}")  # noqa: T201


@pytest.fixture
def alice(committed: None) -> Person:
    return make_person()


@pytest.fixture
def bob(committed: None) -> Person:
    return make_person()


@pytest.fixture
def carol(committed: None) -> Person:
    return make_person()


@pytest.fixture
def alice_and_room(alice: Person) -> tuple[Person, str]:
    """Alice and a chat of hers, made outside of any event loop."""
    return alice, make_room(alice)
