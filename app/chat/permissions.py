"""The one place that decides who may do what in a chat, for both tiers.

`access` (http tier) and `aaccess` (ws tier) ask with the same SQL how someone stands to a chat;
the `require_…` functions hold the answer against the rules of docs/protocol.md, in its order: no
such chat, then not allowed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# What a chat's name can look like; anything else is no chat's name, and never gets as far as
# the database.
URI_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")

ACCESS_SQL = """
SELECT c.id, c.uri, c.owner_id, c.last_seq, m.read_seq,
       EXISTS (SELECT FROM chat_removal r WHERE r.chat_id = c.id AND r.user_id = %(user_id)s),
       c.departures
FROM chat_chat c
LEFT JOIN chat_membership m ON m.chat_id = c.id AND m.user_id = %(user_id)s
WHERE c.uri = %(uri)s
"""

STRANGERS_SQL = """
SELECT pair.chat_id, pair.user_id
FROM unnest(%(chats)s::bigint[], %(users)s::bigint[]) AS pair (chat_id, user_id)
WHERE NOT EXISTS (
    SELECT FROM chat_membership m
    WHERE m.chat_id = pair.chat_id AND m.user_id = pair.user_id
)
"""


class Access(NamedTuple):
    """How one user stands to one chat."""

    chat_id: int
    uri: str
    owner_id: int
    last_seq: int
    # None for someone who is not a member.
    read_seq: int | None
    # Removed by the owner and not added again since.
    removed: bool
    # How many had left the chat when this was asked.
    departures: int

    @property
    def member(self) -> bool:
        return self.read_seq is not None


class NoSuchChat(LookupError):
    """404, or close code 4404."""

    detail = "There is no such chat."
    code = "not_found"


class Forbidden(Exception):
    """403, or close code 4403. Says which rule forbids it."""

    def __init__(self, detail: str, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


def access(uri: str, user_id: int) -> Access | None:
    """How the user stands to the chat, or None when there is no such chat."""
    if not URI_PATTERN.fullmatch(uri):
        return None
    with connection.cursor() as cursor:
        cursor.execute(ACCESS_SQL, {"uri": uri, "user_id": user_id})
        row = cursor.fetchone()
    return None if row is None else Access(*row)


async def aaccess(db: AsyncConnection, uri: str, user_id: int) -> Access | None:
    """`access` for the ws tier."""
    if not URI_PATTERN.fullmatch(uri):
        return None
    cursor = await db.execute(ACCESS_SQL, {"uri": uri, "user_id": user_id})
    row = await cursor.fetchone()
    return None if row is None else Access(*row)


async def astrangers(db: AsyncConnection, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the (chat id, user id) that are no membership, or no longer, in one query."""
    chats, users = zip(*pairs, strict=True)
    cursor = await db.execute(STRANGERS_SQL, {"chats": list(chats), "users": list(users)})
    return [(chat_id, user_id) for chat_id, user_id in await cursor.fetchall()]


def require_chat(found: Access | None) -> Access:
    """Raises NoSuchChat."""
    if found is None:
        raise NoSuchChat(NoSuchChat.detail)
    return found


def require_member(found: Access | None) -> Access:
    """Reading, writing and seeing who is there: members only. Raises NoSuchChat, Forbidden."""
    found = require_chat(found)
    if not found.member:
        raise Forbidden("You are not a member of this chat.", "not_a_member")
    return found


def require_may_add(found: Access, user_id: int, target_id: int) -> None:
    """Anyone with the link adds themself, unless removed; members add others. Raises Forbidden."""
    if found.member:
        return
    if target_id != user_id:
        raise Forbidden("Only a member may add someone else.", "not_a_member")
    if found.removed:
        raise Forbidden("The owner removed you; a member has to add you again.", "removed")


def require_may_remove(found: Access, user_id: int, target_id: int) -> None:
    """One leaves oneself; the owner removes others and stays. Raises Forbidden."""
    if not found.member:
        raise Forbidden("You are not a member of this chat.", "not_a_member")
    if target_id == found.owner_id:
        raise Forbidden("The owner cannot leave or be removed.", "owner_stays")
    if user_id not in (target_id, found.owner_id):
        raise Forbidden("Only the owner may remove someone else.", "not_the_owner")
