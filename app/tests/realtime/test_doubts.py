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
    is_in = asyncio.Event()

    async with served() as port, contextlib.AsyncExitStack() as stack:

        async def joining(*about: Any) -> Any:
            """Between the two questions, the first time."""
            if not joined:
                await asyncio.to_thread(join, uri, alice, bob)
                joined.append(await stack.enter_async_context(socket(port, bob, uri)))
                await hear(joined[0], "ready")
                is_in.set()
            return await astanding(*about)

        there = await stack.enter_async_context(socket(port, alice, uri))
        await hear(there, "presence")
        monkeypatch.setattr("realtime.doubts.astanding", joining)
        # Joining has the members asked for as well; this is the one that began before.
        await (await get_hub()).doubts.settle(await asyncio.to_thread(number, uri))
        await is_in.wait()
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    await joined[0].recv()
        # Sent away to come back, at most; and back it is let in.
        assert joined[0].close_code in (None, 1012)
        async with socket(port, bob, uri) as again:
            await hear(again, "ready")


async def test_a_table_that_went_back_sends_whoever_comes_away_at_once(
    alice: Person, bob: Person
) -> None:
    """A backup from before somebody left is in use, and this worker has not seen it yet."""
    uri = await asyncio.to_thread(make, alice)
    await asyncio.to_thread(join, uri, alice, bob)
    async with served() as port, socket(port, alice, uri) as there:
        await hear(there, "presence")
        number_ = await asyncio.to_thread(number, uri)
        room = (await get_hub()).rooms[number_]
        room.departures += 1
        async with socket(port, bob, uri) as back:
            async with asyncio.timeout(5):
                await back.wait_closed()
            assert back.close_code == 1012
        # As soon as the worker has, it is let in.
        room.departures -= 1
        async with socket(port, bob, uri) as again:
            await hear(again, "ready")


async def test_a_socket_that_is_sent_nothing_is_closed_with_the_others(alice: Person) -> None:
    """Whoever a worker doubts when its history becomes another is to come back as well."""
    uri = await asyncio.to_thread(make, alice)
    async with served() as port, socket(port, alice, uri) as there:
        await hear(there, "presence")
        room = (await get_hub()).rooms[await asyncio.to_thread(number, uri)]
        room.suspend(alice.id)
        room.close_sockets(1012, "come back")
        async with asyncio.timeout(5):
            await there.wait_closed()
        assert there.close_code == 1012


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
