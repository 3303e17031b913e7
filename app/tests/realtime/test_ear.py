"""Hearing: what the listener leans on in psycopg and libpq."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from realtime.conninfo import connection_params
from realtime.ear import Ear
from realtime.pool import cut

Connection = psycopg.AsyncConnection[Any]


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    connection = await psycopg.AsyncConnection.connect(**connection_params("ear"), autocommit=True)
    try:
        await connection.execute("LISTEN ear")
        yield connection
    finally:
        await connection.close()


async def notify(payload: str) -> None:
    async with connected() as connection:
        await connection.execute("SELECT pg_notify('ear', %s)", (payload,))


async def test_everything_is_heard_once_and_in_order_while_listening_and_between() -> None:
    heard: list[tuple[str, str, int]] = []
    async with connected() as connection:
        ear = Ear(connection, lambda *notice: heard.append(notice))
        await notify("before")
        # Comes along with an answer, and so does one's own.
        await connection.execute("SELECT 1")
        await connection.execute("SELECT pg_notify('ear', 'own')")
        own = connection.info.backend_pid
        listening = asyncio.create_task(ear.listen(0.5))
        await asyncio.sleep(0.05)
        await notify("ünter" * 1000)
        await listening
        await notify("between")
        await ear.listen(1.0)
    assert [payload[:7] for _, payload, _ in heard] == ["before", "own", "ünterün", "between"]
    assert {channel for channel, *_ in heard} == {"ear"}
    assert [sender == own for *_, sender in heard] == [False, True, False, False]


async def test_nothing_wakes_the_loop_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_at = loop.call_at

    def note(when: float, *rest: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *rest, **options)

    async with connected() as connection:
        ear = Ear(connection, lambda *_: None)
        monkeypatch.setattr(loop, "call_at", note)
        await ear.listen(0.5)
        monkeypatch.undo()
    assert len(timers) == 1


async def test_a_connection_that_ends_ends_the_listening_at_once() -> None:
    async with connected() as connection:
        ear = Ear(connection, lambda *_: None)
        begun = time.monotonic()
        asyncio.get_running_loop().call_later(0.1, cut, connection)
        with pytest.raises(psycopg.OperationalError):
            await ear.listen(5.0)
        assert time.monotonic() - begun < 1


async def test_who_gets_the_number_of_an_ended_connection_keeps_their_own_ears(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libpq closes its descriptor within the call that reads the end; a client comes in next."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()
    ours, theirs = socket.socketpair()
    ended = Ear._end
    with ours, theirs:
        async with connected() as connection:
            number = connection.fileno()
            ear = Ear(connection, lambda *_: None)

            def a_client_comes(self: Ear, error: Exception) -> None:
                ended(self, error)
                os.dup2(theirs.fileno(), number)
                loop.add_reader(number, came.set_result, None)

            monkeypatch.setattr(Ear, "_end", a_client_comes)
            loop.call_later(0.1, cut, connection)
            with pytest.raises(psycopg.OperationalError):
                await ear.listen(5.0)
        try:
            ours.send(b"hello")
            await asyncio.wait_for(came, 1)
        finally:
            loop.remove_reader(number)
            os.close(number)


async def test_trouble_of_who_hears_is_raised_wherever_the_notification_came() -> None:
    def deaf(*_: object) -> None:
        raise ZeroDivisionError

    for own in (True, False):
        async with connected() as connection:
            ear = Ear(connection, deaf)
            if own:
                await connection.execute("SELECT pg_notify('ear', 'x')")
            listening = asyncio.create_task(ear.listen(5.0))
            await asyncio.sleep(0.05)
            if not own:
                await notify("x")
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(listening, 1)
