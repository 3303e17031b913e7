"""Reading messages: pages by `seq`, oldest first, at the same cost wherever in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import connection

from chat.rows import MESSAGE_COLUMNS, MESSAGE_WIDTH, MessageRow, message_row

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_SELECT = f"""
SELECT {MESSAGE_COLUMNS}, c.departures
FROM chat_message m JOIN chat_chat c ON c.id = m.chat_id JOIN auth_user u ON u.id = m.author_id
"""
AFTER_SQL = (
    _SELECT + "WHERE m.chat_id = %(chat_id)s AND m.seq > %(seq)s ORDER BY m.seq LIMIT %(limit)s"
)
BEFORE_SQL = (
    _SELECT
    + "WHERE m.chat_id = %(chat_id)s AND m.seq < %(seq)s ORDER BY m.seq DESC LIMIT %(limit)s"
)
NEWEST_SQL = _SELECT + "WHERE m.chat_id = %(chat_id)s ORDER BY m.seq DESC LIMIT %(limit)s"


class Page(NamedTuple):
    """Messages, oldest first, and whether there are more in the direction asked."""

    rows: list[MessageRow]
    has_more: bool


class Stretch(NamedTuple):
    """Messages, oldest first, and how many had left the chat by the moment of the query."""

    rows: list[MessageRow]
    departures: int


def after(chat_id: int, seq: int, limit: int) -> Page:
    """The first `limit` messages after `seq`."""
    rows = _select(AFTER_SQL, chat_id, seq, limit + 1)
    return Page(rows[:limit], len(rows) > limit)


async def aafter(db: AsyncConnection, chat_id: int, seq: int, limit: int) -> Stretch:
    """At most `limit` messages after `seq`, for the ws tier."""
    cursor = await db.execute(AFTER_SQL, {"chat_id": chat_id, "seq": seq, "limit": limit})
    found = await cursor.fetchall()
    return Stretch(
        [message_row(columns) for columns in found], found[0][MESSAGE_WIDTH] if found else 0
    )


def before(chat_id: int, seq: int, limit: int) -> Page:
    """The last `limit` messages before `seq`."""
    return _backwards(_select(BEFORE_SQL, chat_id, seq, limit + 1), limit)


def newest(chat_id: int, limit: int) -> Page:
    """The last `limit` messages."""
    return _backwards(_select(NEWEST_SQL, chat_id, 0, limit + 1), limit)


def _backwards(rows: list[MessageRow], limit: int) -> Page:
    return Page(rows[:limit][::-1], len(rows) > limit)


def _select(sql: str, chat_id: int, seq: int, limit: int) -> list[MessageRow]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"chat_id": chat_id, "seq": seq, "limit": limit})
        return [message_row(columns) for columns in cursor.fetchall()]
