"""Who is in a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import connection

from accounts.users import USER_COLUMNS, UserRow

if TYPE_CHECKING:
    from psycopg import AsyncConnection


class Inside(NamedTuple):
    """The members of a chat, its owner first, and how many had left it by then."""

    members: list[UserRow]
    departures: int


# The owner first, then in the order they joined.
MEMBERS_SQL = f"""
SELECT {USER_COLUMNS}, c.departures
FROM chat_membership s
JOIN chat_chat c ON c.id = s.chat_id
JOIN auth_user u ON u.id = s.user_id
WHERE s.chat_id = %(chat_id)s
ORDER BY s.user_id <> c.owner_id, s.id
"""


def members(chat_id: int) -> list[UserRow]:
    """The members of a chat, its owner first."""
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS_SQL, {"chat_id": chat_id})
        return [UserRow(*row[:-1]) for row in cursor.fetchall()]


async def amembers(db: AsyncConnection, chat_id: int) -> Inside:
    """`members` for the ws tier. A chat that is gone has none, and nobody has left it."""
    cursor = await db.execute(MEMBERS_SQL, {"chat_id": chat_id})
    found = await cursor.fetchall()
    return Inside([UserRow(*row[:-1]) for row in found], found[0][-1] if found else 0)
