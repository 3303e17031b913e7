"""Sessions: started at sign-in, looked up on every request, ended by many roads.

Both tiers ask the same question with the same SQL: is this session open and its user active?
`find` is for the http tier (Django's connection), `afind` for the ws tier (psycopg, async).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from rest_framework_simplejwt.settings import api_settings

from accounts.models import Session
from accounts.users import UserRow
from realtime.publish import publish_event

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# One primary-key lookup in each of two tables.
FIND_SQL = """
SELECT u.id, u.username, u.first_name, u.last_name, u.email, u.is_staff, u.is_superuser
FROM accounts_session s JOIN auth_user u ON u.id = s.user_id
WHERE s.id = %(sid)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL AND u.is_active
"""

# Held against the user too, so that nobody renews after being deactivated.
TOUCH_SQL = """
UPDATE accounts_session s SET last_used = now()
FROM auth_user u
WHERE s.id = %(sid)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL
  AND u.id = s.user_id AND u.is_active
"""

END_SQL = """
UPDATE accounts_session SET ended_at = now()
WHERE user_id = %(user_id)s AND ended_at IS NULL
  AND (%(only)s::uuid IS NULL OR id = %(only)s) AND (%(keep)s::uuid IS NULL OR id <> %(keep)s)
RETURNING id
"""

# The admin shows ended sessions for a day; one whose last refresh token ran out cannot go on.
FORGET_SQL = """
DELETE FROM accounts_session
WHERE (%(user_id)s::integer IS NULL OR user_id = %(user_id)s) AND (
    ended_at < now() - interval '1 day'
    OR last_used < now() - make_interval(secs => %(lifetime)s)
)
"""

OVER_SQL = """
SELECT pair.sid
FROM unnest(%(sids)s::uuid[], %(users)s::bigint[]) AS pair (sid, user_id)
WHERE NOT EXISTS (
    SELECT FROM accounts_session s JOIN auth_user u ON u.id = s.user_id
    WHERE s.id = pair.sid AND s.user_id = pair.user_id AND s.ended_at IS NULL AND u.is_active
)
"""

# An event names at most this many sessions, so that it stays far below the 8000 bytes of a
# NOTIFY payload (a sid takes 39).
SIDS_PER_EVENT = 100


class Found(NamedTuple):
    """An open session's user."""

    id: int
    username: str
    first_name: str
    last_name: str
    email: str
    is_staff: bool
    is_superuser: bool

    @property
    def public(self) -> UserRow:
        return UserRow(self.id, self.username, self.first_name, self.last_name)


def find(sid: uuid.UUID, user_id: int) -> Found | None:
    """The user of an open session, or None when it ended or its user is not active."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_SQL, {"sid": sid, "user_id": user_id})
        row = cursor.fetchone()
    return None if row is None else Found(*row)


async def afind(db: AsyncConnection, sid: uuid.UUID, user_id: int) -> Found | None:
    """`find` for the ws tier."""
    cursor = await db.execute(FIND_SQL, {"sid": sid, "user_id": user_id})
    row = await cursor.fetchone()
    return None if row is None else Found(*row)


async def aover(db: AsyncConnection, pairs: list[tuple[uuid.UUID, int]]) -> list[uuid.UUID]:
    """Those of the (sid, user id) whose session is over or whose user is not active."""
    sids, users = zip(*pairs, strict=True)
    cursor = await db.execute(OVER_SQL, {"sids": list(sids), "users": list(users)})
    return [row[0] for row in await cursor.fetchall()]


def start(user: User) -> Session | None:
    """A new session for someone who has just proved who they are, with `user.password`.

    None when the password was changed or the user deactivated meanwhile: both end the sessions
    there are, and this one must not slip in behind them. To be called in a transaction.
    """
    still = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
    if not still.update(last_login=Now()):
        return None
    forget(user.pk)
    return Session.objects.create(user=user)


def touch(sid: uuid.UUID, user_id: int) -> bool:
    """Notes that an open session is used, and holds its row; False when it is over."""
    with connection.cursor() as cursor:
        cursor.execute(TOUCH_SQL, {"sid": sid, "user_id": user_id})
        return bool(cursor.rowcount)


def end(user_id: int, *, only: uuid.UUID | None = None, keep: uuid.UUID | None = None) -> int:
    """Ends a user's open sessions: all, `only` one, or all but the one to `keep`.

    The ws workers learn of it in the same transaction and close the sessions' sockets.
    Returns how many ended.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(END_SQL, {"user_id": user_id, "only": only, "keep": keep})
            sids = [str(row[0]) for row in cursor.fetchall()]
        for first in range(0, len(sids), SIDS_PER_EVENT):
            publish_event(
                "workers",
                {"type": "session.ended", "sids": sids[first : first + SIDS_PER_EVENT]},
            )
    return len(sids)


def forget(user_id: int | None = None) -> int:
    """Deletes the sessions, of one user or of all, that are over; returns how many."""
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(FORGET_SQL, {"user_id": user_id, "lifetime": lifetime})
        return int(cursor.rowcount)
