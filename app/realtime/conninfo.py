"""How the realtime core connects to PostgreSQL outside Django's own connections."""

from typing import Any

from django.db import connections

# A dead peer is noticed by TCP itself within about ten seconds, whether the connection is
# idle (keepalives: 4 + 3 * 2 s) or has sent something that nobody acknowledges.
TCP_PARAMS = {
    "connect_timeout": 4,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9000,
}
# Django's settings for its own connections, which raw psycopg does not know.
_DJANGO_ONLY = (
    "cursor_factory",
    "context",
    "pool",
    "prepare_threshold",
    "isolation_level",
)


def connection_params(application_name: str, using: str = "default") -> dict[str, Any]:
    """Return keyword arguments for psycopg's connect() to the database Django calls `using`.

    Read at every call, so that a test database's name is honoured. `application_name` is cut
    to the 63 bytes PostgreSQL keeps.
    """
    params: dict[str, Any] = connections[using].get_connection_params()
    for name in _DJANGO_ONLY:
        params.pop(name, None)
    return {**params, **TCP_PARAMS, "application_name": application_name[:63]}
