"""The list of one's chats: where each stands and how much of it is unread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from accounts.users import UserRow
from chat.rows import MESSAGE_COLUMNS, MESSAGE_WIDTH, MessageRow, message_row

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# Someone who comes back after a long time must not make the server count for a long time: up to
# this many messages behind, the messages of others are counted; beyond, all are taken.
UNREAD_EXACT_LIMIT = 1000

# For a query that has chat_chat as `c` and chat_membership as `s`.
_SEEN = "GREATEST(s.read_seq, s.joined_seq)"
_UNREAD = f"""
CASE WHEN c.last_seq - {_SEEN} > {UNREAD_EXACT_LIMIT} THEN c.last_seq - {_SEEN}
ELSE (
    SELECT count(*) FROM chat_message x
    WHERE x.chat_id = c.id AND x.seq > {_SEEN} AND x.author_id <> s.user_id
) END
"""

_ENTRY = f"""
s.user_id, c.uri, c.id, o.id, o.username, o.first_name, o.last_name, c.last_seq, {_UNREAD},
c.update_date, {MESSAGE_COLUMNS}
"""
_ENTRY_WIDTH = 10

_JOINS = """
JOIN auth_user o ON o.id = c.owner_id
LEFT JOIN chat_message m ON m.chat_id = c.id AND m.seq = c.last_seq
LEFT JOIN auth_user u ON u.id = m.author_id
"""

# The page is cut before anything is counted.
PAGE_SQL = f"""
WITH page AS (
    SELECT s.id FROM chat_membership s JOIN chat_chat c ON c.id = s.chat_id
    WHERE s.user_id = %(user_id)s AND (
        %(before_date)s::timestamptz IS NULL
        OR (c.update_date, c.id) < (%(before_date)s::timestamptz, %(before_id)s::bigint)
    )
    ORDER BY c.update_date DESC, c.id DESC LIMIT %(limit)s
)
SELECT {_ENTRY}
FROM page JOIN chat_membership s ON s.id = page.id JOIN chat_chat c ON c.id = s.chat_id {_JOINS}
ORDER BY c.update_date DESC, c.id DESC
"""

OF_PAIRS_SQL = f"""
SELECT {_ENTRY}
FROM unnest(%(chats)s::bigint[], %(users)s::bigint[]) AS pair (chat_id, user_id)
JOIN chat_membership s USING (chat_id, user_id) JOIN chat_chat c ON c.id = s.chat_id {_JOINS}
"""


class Entry(NamedTuple):
    """One chat, as one of its members sees it in a list."""

    user_id: int
    uri: str
    chat_id: int
    owner: UserRow
    last_seq: int
    unread: int
    update_date: datetime
    last_message: MessageRow | None


class Position(NamedTuple):
    """Where a page ended."""

    update_date: datetime
    chat_id: int


def page(user_id: int, after: Position | None, limit: int) -> tuple[list[Entry], Position | None]:
    """The user's chats, newest activity first, and where the next page starts, if there is one."""
    parameters = {
        "user_id": user_id,
        "before_date": after and after.update_date,
        "before_id": after and after.chat_id,
        "limit": limit + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(PAGE_SQL, parameters)
        entries = [_entry(columns) for columns in cursor.fetchall()]
    if len(entries) <= limit:
        return entries, None
    last = entries[limit - 1]
    return entries[:limit], Position(last.update_date, last.chat_id)


async def aentries(db: AsyncConnection, pairs: Sequence[tuple[int, int]]) -> list[Entry]:
    """Chats as their members see them, by (chat id, user id), for the inboxes of the ws tier.

    Pairs that are no membership are left out.
    """
    chats, users = zip(*pairs, strict=True)
    cursor = await db.execute(OF_PAIRS_SQL, {"chats": list(chats), "users": list(users)})
    return [_entry(columns) for columns in await cursor.fetchall()]


def _entry(columns: Sequence[Any]) -> Entry:
    user_id, uri, chat_id, *owner, last_seq, unread, update_date = columns[:_ENTRY_WIDTH]
    message = columns[_ENTRY_WIDTH : _ENTRY_WIDTH + MESSAGE_WIDTH]
    return Entry(
        user_id=user_id,
        uri=uri,
        chat_id=chat_id,
        owner=UserRow(*owner),
        last_seq=last_seq,
        unread=unread,
        update_date=update_date,
        # The outer join finds no message in an empty chat.
        last_message=None if message[0] is None else message_row(message),
    )
