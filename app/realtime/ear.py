"""Hearing the notifications of one connection, without a beat of its own.

psycopg's `notifies()` wakes ten times a second to see whether its time is over, and watches the
socket anew for each notification. Here the event loop calls when the socket has something to read.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import psycopg


class Ear:
    """Calls `heard` with each notification's channel, payload and sender, in their order.

    The sender is the process id of the connection's backend that sent it.

    Those that come along with the answer of a query on the same connection are heard as well.
    """

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], heard: Callable[[str, str, int], None]
    ) -> None:
        self._connection = connection
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._error: Exception | None = None
        connection.add_notify_handler(self._notified)

    async def listen(self, seconds: float) -> None:
        """Hear for so long; nothing else may use the connection meanwhile.

        Raises psycopg.OperationalError when the connection has ended, and whatever `heard` raises.
        """
        # A descriptor of its own for the loop: libpq closes its own as soon as it has read the end
        # of the connection, and the number may be somebody else's before the loop is told.
        socket = os.dup(self._connection.fileno())
        try:
            self._loop.add_reader(socket, self._read)
            # What a query has read besides its answer makes no socket readable.
            self._take()
            await asyncio.wait([self._ended], timeout=seconds)
        finally:
            self._loop.remove_reader(socket)
            os.close(socket)
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            self._connection.pgconn.consume_input()
        except psycopg.Error as error:
            self._end(error)
        else:
            self._take()

    def _take(self) -> None:
        while notice := self._connection.pgconn.notifies():
            self._hear(notice.relname.decode(), notice.extra.decode(), notice.be_pid)

    def _notified(self, notice: psycopg.Notify) -> None:
        self._hear(notice.channel, notice.payload, notice.pid)

    def _hear(self, channel: str, payload: str, sender: int) -> None:
        try:
            self._heard(channel, payload, sender)
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self._ended.set_result(None)
