"""Asking who is a member, while somebody becomes one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed

from chat import roster
from chat.standing import astanding
from realtime.hub import get_hub
from tests.people import Person
from tests.realtime.inside import hear, served, socket
from tests.realtime.rooms import chat_id, make_room, user_of


async def test_who_joins_while_the_table_is_asked_is_not_told_to_be_no_member(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = await asyncio.to_thread(make, alice)
    joined: list[Any] = []

    async with served() as port, contextlib.AsyncExitStack() as stack:

        async def joining(*about: Any) -> Any:
            """Between the two questions, the first time."""
            if not joined:
                await asyncio.to_thread(join, uri, alice, bob)
                joined.append(await stack.enter_async_context(socket(port, bob, uri)))
                await hear(joined[0], "ready")
            return await astanding(*about)

        there = await stack.enter_async_context(socket(port, alice, uri))
        await hear(there, "presence")
        monkeypatch.setattr("realtime.doubts.astanding", joining)
        # Joining has the members asked for as well; this is the one that began before.
        await (await get_hub()).doubts.settle(await asyncio.to_thread(number, uri))
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    await joined[0].recv()
        # Sent away to come back, at most; and back it is let in.
        assert joined[0].close_code in (None, 1012)
        async with socket(port, bob, uri) as again:
            await hear(again, "ready")


def make(person: Person) -> str:
    try:
        return make_room(person)
    finally:
        connection.close()


def join(uri: str, owner: Person, person: Person) -> None:
    try:
        roster.add_member(uri, user_of(owner), user_of(person))
    finally:
        connection.close()


def number(uri: str) -> int:
    try:
        return chat_id(uri)
    finally:
        connection.close()
