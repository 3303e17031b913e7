"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")

DEADLINE = 10.0


def until(look: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """Return `look()` as soon as it is true; fail, saying `what`, after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"after {seconds} s: {what}; last seen: {found!r}"
        time.sleep(0.02)
    return found


async def auntil(look: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """`until`, for a test inside an event loop."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"after {seconds} s: {what}; last seen: {found!r}"
        await asyncio.sleep(0.02)
    return found


def query(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Rows of a query on the test database."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


async def aquery(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """`query`, for a test inside an event loop."""

    def run() -> list[tuple[Any, ...]]:
        try:
            return query(sql, *params)
        finally:
            connection.close()

    return await asyncio.to_thread(run)


LISTENERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE %s
"""


def listeners(prefix: str = "chatire-listen") -> list[int]:
    """The process ids of the LISTEN connections whose application_name begins so."""
    return [pid for (pid,) in query(LISTENERS, prefix + "%")]
