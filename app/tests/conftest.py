"""What the suites share. They run on a real PostgreSQL, named by CHATIRE_DB_*."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from realtime.flusher import hint_thread
from tests.people import Person, make_person


@pytest.fixture(autouse=True)
def _hints_end_with_the_test() -> Iterator[None]:
    """The flusher's connection would keep the test database from being dropped."""
    yield
    hint_thread.close()


@pytest.fixture
def alice(db: Any) -> Person:
    return make_person("alice")


@pytest.fixture
def bob(db: Any) -> Person:
    return make_person("bob")


@pytest.fixture
def carol(db: Any) -> Person:
    return make_person("carol")
