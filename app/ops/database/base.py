"""Django's PostgreSQL backend for a tier that keeps one connection a thread.

Django's own asks `SELECT 1` before a kept connection is used again, a round trip with every
request. A connection whose server has gone says so by itself: its socket can be read.
"""

from __future__ import annotations

import select
import time
from typing import Any

from django.db.backends.postgresql import base

# Between two tries to connect.
PAUSE_SECONDS = 0.1


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL. `OPTIONS["patience"]`, in seconds: how long to try to connect (0: once)."""

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params.pop("patience", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connects, through a restart that takes no longer than the patience."""
        deadline = time.monotonic() + self.settings_dict["OPTIONS"].get("patience", 0)
        while True:
            try:
                return super().get_new_connection(conn_params)
            except self.Database.OperationalError:
                if time.monotonic() + PAUSE_SECONDS > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)

    def is_usable(self) -> bool:
        """Whether the server still holds this connection, which is idle, without asking it.

        Nothing is sent to an idle connection but its end, or a notice that nobody waits for: that
        one costs a new connection as well. A server that vanished without a word is found by TCP
        (the keepalives of the settings), as it would be by asking.
        """
        if self.connection is None or self.connection.closed:
            return False
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)
        return not poller.poll(0)
