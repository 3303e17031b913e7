"""Who is in a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from accounts.users import USER_COLUMNS, UserRow

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# The owner first, then in the order they joined.
MEMBERS_SQL = f"""
SELECT {USER_COLUMNS}
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
        return [UserRow(*row) for row in cursor.fetchall()]


async def amembers(db: AsyncConnection, chat_id: int) -> list[UserRow]:
    """`members` for the ws tier."""
    cursor = await db.execute(MEMBERS_SQL, {"chat_id": chat_id})
    return [UserRow(*row) for row in await cursor.fetchall()]
