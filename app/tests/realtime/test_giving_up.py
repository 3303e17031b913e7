"""A server that stands still: it takes connections and says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from realtime import listener, pool
from tests.realtime.waiting import auntil

# The least that libpq waits.
PATIENCE_SECONDS = 2


class Silent:
    """Such a server; `tried` counts its clients, `open` those that have not gone."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self._clients: list[socket.socket] = []

    def params(self, *_: object) -> dict[str, Any]:
        host, port = self._server.getsockname()
        return {"host": host, "port": port, "user": "x", "connect_timeout": PATIENCE_SECONDS}

    @property
    def tried(self) -> int:
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = self._server.accept()
                client.setblocking(False)
                self._clients.append(client)
        return len(self._clients)

    @property
    def open(self) -> int:
        return sum(not self._has_gone(client) for client in self._clients[: self.tried])

    def _has_gone(self, client: socket.socket) -> bool:
        try:
            while client.recv(4096):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        for each in (self._server, *self._clients):
            each.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Python's collection of cycles is off meanwhile: it would close what nobody else does."""
    server = Silent()
    gc.disable()
    try:
        yield server
    finally:
        gc.enable()
        server.close()


async def test_a_try_that_timed_out_leaves_nothing_open(silent: Silent) -> None:
    with pytest.raises(psycopg.OperationalError):
        await pool.Connection.connect(**silent.params())
    assert (silent.tried, silent.open) == (1, 0)


async def test_a_try_that_was_cancelled_leaves_nothing_open(silent: Silent) -> None:
    task = asyncio.create_task(pool.Connection.connect(**silent.params()))
    await auntil(lambda: silent.tried, "it connects")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert silent.open == 0


async def test_the_pools_tries_leave_nothing_open(
    silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "connection_params", silent.params)
    monkeypatch.setattr(pool, "_pools", {})
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            async with pool.connection(checkout=PATIENCE_SECONDS + 1):
                pass
    await pool.close_pool()
    await auntil(lambda: silent.open == 0, f"{silent.tried} tries are over", 2 * PATIENCE_SECONDS)
    assert silent.tried


async def test_a_listeners_tries_leave_nothing_open(
    silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "connection_params", silent.params)
    hears = listener.Listener("chatire-listen:test")
    hears.start()
    await auntil(lambda: silent.tried >= 2, "it tries again")
    # The one that is under way.
    assert silent.open <= 1
    await hears.close()
    assert silent.open == 0
