"""Where a chat stands: its last message, and how far its members have read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from accounts.users import USER_COLUMNS, UserRow

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# Who opens a chat is told how far so many others have read: all of a talk among friends. In a
# larger crowd those that have read the furthest are what one asks about.
MOST_MARKS = 50

# The members of one chat are found by the index of `membership_once`.
STANDING_SQL = f"""
SELECT c.last_seq, c.departures, s.read_seq, {USER_COLUMNS}
FROM chat_chat c
LEFT JOIN LATERAL (
    SELECT m.user_id, m.read_seq FROM chat_membership m
    WHERE m.chat_id = c.id AND m.read_seq > 0
    ORDER BY m.read_seq DESC, m.user_id LIMIT {MOST_MARKS}
) s ON TRUE
LEFT JOIN auth_user u ON u.id = s.user_id
WHERE c.id = %(chat_id)s
"""


class Mark(NamedTuple):
    """A member has read up to `seq`, which is above 0."""

    user: UserRow
    seq: int


class Standing(NamedTuple):
    """The last `seq` of a chat, how many have left it, and at most MOST_MARKS marks, the furthest
    first."""

    last_seq: int
    departures: int
    marks: list[Mark]


async def astanding(db: AsyncConnection, chat_id: int) -> Standing:
    """Where the chat stands, in one query; a chat that is gone stands at 0."""
    cursor = await db.execute(STANDING_SQL, {"chat_id": chat_id})
    rows = await cursor.fetchall()
    # The outer join finds no mark where nobody has read.
    marks = [Mark(UserRow(*user), seq) for _, _, seq, *user in rows if seq is not None]
    last_seq, departures = rows[0][:2] if rows else (0, 0)
    return Standing(last_seq, departures, marks)
