"""PostgreSQL for an event loop: one bounded pool, queries with a deadline.

A pool belongs to the event loop that opened it; there is one for each loop that asks, and it
is closed with `close_pool`.
"""

import asyncio
import contextlib
import os
import select
import socket
import traceback
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from realtime.conninfo import connection_params


class Connection(psycopg.AsyncConnection[TupleRow]):
    """psycopg's, but a try to connect that fails ends when it is given up.

    psycopg's own refers to itself through its error's traceback, and so stays open until Python
    collects cycles: while a server stands still, each try would leave it one more process.
    """

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect, as psycopg's does; raises what that raises."""
        try:
            return await super().connect(conninfo, **kwargs)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            raise


Pool = AsyncConnectionPool[Connection]

# What a database that is away makes of a query.
AWAY = (psycopg.Error, OSError, TimeoutError)

# How long a caller waits for a connection: two thousand sockets that come back at once take
# 3 s on a busy machine, each with a few queries.
CHECKOUT_SECONDS = 8.0
# A query that takes longer hangs on a stopped or unreachable database: the slowest regular one
# takes milliseconds, and a machine out of breath some hundred.
QUERY_SECONDS = 5.0
# Who sends a message waits for its ack, the shipped page 8 s before it gives its socket up for
# dead: "unavailable" has to come well before, or an outage makes every page reconnect.
PROMPT_CHECKOUT_SECONDS = 2.0
PROMPT_QUERY_SECONDS = 2.0
# One failed attempt ends a reconnection; the next caller starts a new one. With the pool's own
# back-off it would come back 4 to 7 s after the database.
RECONNECT_SECONDS = 0.5

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()


def cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """Break a connection whose peer may be gone, so that whoever waits on it fails now.

    Cancelling the waiter instead would have psycopg ask the same peer to cancel the query, and
    wait for that.
    """
    if connection.closed:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as raw,
    ):
        raw.shutdown(socket.SHUT_RDWR)


async def _check(connection: Connection) -> None:
    """Raise when the server has ended this idle connection: costs a poll, not a round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)


def get_pool() -> Pool:
    """Return the running loop's pool, not yet open the first time."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.get(loop)) is None:
        pool = _pools[loop] = AsyncConnectionPool(
            connection_class=Connection,
            kwargs={
                **connection_params(f"chatire-ws:{os.getpid()}"),
                # A statement whose connection was cut runs on in its backend, for a lock perhaps
                # that somebody holds for long: they would pile up.
                "options": f"-c statement_timeout={int(QUERY_SECONDS * 1000)}",
            },
            min_size=1,
            max_size=settings.ENV.ws_db_connections,
            timeout=CHECKOUT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            max_idle=120.0,
            open=False,
            configure=_configure,
            check=_check,
            name="realtime",
        )
    return pool


@contextlib.asynccontextmanager
async def connection(
    seconds: float = QUERY_SECONDS, checkout: float | None = None
) -> AsyncIterator[Connection]:
    """Lend an autocommit connection for at most `seconds`, after a wait of at most `checkout`.

    Raises psycopg.OperationalError (PoolTimeout is one) when the database is away.
    """
    pool = get_pool()
    if pool.closed:
        await pool.open(wait=False)
    async with pool.connection(checkout) as conn:
        deadline = asyncio.get_running_loop().call_later(seconds, cut, conn)
        try:
            yield conn
        finally:
            deadline.cancel()


def promptly() -> contextlib.AbstractAsyncContextManager[Connection]:
    """`connection` for somebody who waits at a screen."""
    return connection(PROMPT_QUERY_SECONDS, PROMPT_CHECKOUT_SECONDS)


async def fetch(statement: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[TupleRow]:
    """Run a query that returns rows."""
    async with connection() as conn:
        return await (await conn.execute(statement, params)).fetchall()


async def execute(statement: str, params: Sequence[Any] | dict[str, Any] = ()) -> int:
    """Run a statement and return the number of rows it touched."""
    async with connection() as conn:
        return (await conn.execute(statement, params)).rowcount


async def close_pool() -> None:
    """Close the running loop's pool, if it has one, for good: who asks later is refused.

    A socket's last words may come after this. A pool made for them would have nobody to close it,
    and its tasks swallow a cancellation while they connect: the loop would never end.
    """
    pool = _pools.get(asyncio.get_running_loop())
    if pool is not None and not pool.closed:
        await pool.close(timeout=1.0)
