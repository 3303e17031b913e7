"""Who is at the other end of a WebSocket: an access token, by subprotocol or first frame."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from rest_framework_simplejwt.exceptions import TokenError

from accounts import sessions
from accounts.tokens import read_access
from accounts.users import UserRow
from realtime import pool

SUBPROTOCOL = "chatire"
TOKEN_PREFIX = "jwt."  # noqa: S105  a name, not a secret


class Credentials(NamedTuple):
    """A user with an open session, and when (seconds since 1970) the token runs out."""

    user: UserRow
    sid: uuid.UUID
    expires: int


class Unauthenticated(Exception):
    """No token, a bad one, or one whose session is over; maps to close code 4401."""


def offered_token(subprotocols: Sequence[str]) -> str | None:
    """Return the token among the offered subprotocols, or None when there is none."""
    for name in subprotocols:
        if name.startswith(TOKEN_PREFIX):
            return name[len(TOKEN_PREFIX) :]
    return None


async def authenticate(token: object) -> Credentials:
    """Check a token's signature, then its session and user, in one query.

    Raises Unauthenticated, or psycopg.Error when the database is away.
    """
    if not isinstance(token, str):
        raise Unauthenticated("no token")
    try:
        claims = read_access(token)
    except (TokenError, ValueError) as error:
        # ValueError: text that cannot even be encoded.
        raise Unauthenticated(str(error)) from error
    try:
        async with pool.connection() as db:
            found = await sessions.afind(db, claims.sid, claims.user_id)
    except psycopg.DataError as error:
        raise Unauthenticated("impossible user id") from error
    if found is None:
        raise Unauthenticated("the session is over")
    return Credentials(found.public, claims.sid, int(claims.expires.timestamp()))
