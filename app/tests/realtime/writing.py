"""A writer of its own loop, for tests of what it stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from accounts.users import UserRow
from realtime import pool
from realtime.writer import Writer
from tests.people import Person
from tests.realtime.rooms import user_of

T = TypeVar("T")


def row(person: Person) -> UserRow:
    """The author, as a socket knows them."""
    user = user_of(person)
    return UserRow(user.pk, user.username, user.first_name, user.last_name)


def write(work: Callable[[Writer], Awaitable[list[T]]], *, tells: bool = False) -> list[T]:
    """Runs a coroutine with a writer of its own loop, and closes that."""

    async def main() -> list[T]:
        writer = Writer(tells=tells)
        try:
            return await work(writer)
        finally:
            await writer.close()
            await pool.close_pool()

    return asyncio.run(main())
