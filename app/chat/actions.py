"""Posting and reading: the one place that stores messages, and from which every hint starts.

A message is stored by one SQL statement that is the same in both tiers; `post_message` runs it on
Django's connection, `apost_message` on an asynchronous psycopg connection. Who is in a chat is
changed in chat/roster.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from django.db import IntegrityError, connection, transaction
from psycopg.errors import UniqueViolation

from accounts import sessions
from accounts.tokens import Claims
from accounts.users import USER_COLUMNS, PublicUser, UserRow, user_dict
from chat import permissions
from chat.drafts import Draft
from chat.events import message_frame, message_frame_parts
from chat.rows import MessageRow
from realtime import hints
from realtime.publish import hint, publish_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

# `seq` comes from the chat's row, taken and given back with the message's own transaction: it is
# commit order and has no gap. A repeat (same client_id) is found before a number is taken. Two
# repeats at the same time both find nothing; the second then breaks the unique constraint, which
# undoes the whole statement, counter included, and running it again finds the first. ON CONFLICT
# DO NOTHING would keep the number and leave a gap. clock_timestamp() is read after the wait for
# the row, so that times rise with `seq`.
_POST_SQL = """
WITH {author}earlier AS (
    SELECT m.chat_id, m.id, m.seq, m.text, m.client_id, m.create_date
    FROM chat_message m
    JOIN chat_chat c ON c.id = m.chat_id
    JOIN chat_membership s ON s.chat_id = c.id AND s.user_id = %(user_id)s
    WHERE c.uri = %(uri)s AND m.author_id = %(user_id)s AND m.client_id = %(client_id)s::uuid
), taken AS (
    UPDATE chat_chat SET last_seq = last_seq + 1, update_date = clock_timestamp()
    WHERE uri = %(uri)s
      AND EXISTS (
          SELECT FROM chat_membership s
          WHERE s.chat_id = chat_chat.id AND s.user_id = %(user_id)s
      )
      AND NOT EXISTS (SELECT FROM earlier){signed_in}
    RETURNING id, last_seq, update_date, departures
), stored AS (
    INSERT INTO chat_message (chat_id, seq, author_id, client_id, text, create_date)
    SELECT id, last_seq, %(user_id)s::integer, %(client_id)s::uuid, %(text)s::text, update_date
    FROM taken
    RETURNING chat_id, id, seq, text, client_id, create_date
), found AS (
    SELECT (SELECT departures FROM taken), chat_id, id, seq, text, client_id, create_date
    FROM stored
    UNION ALL
    SELECT NULL, chat_id, id, seq, text, client_id, create_date FROM earlier
)
SELECT found.*{names} FROM found{of_author}
"""
POST_SQL = _POST_SQL.format(author="", signed_in="", names="", of_author="")

# The same, and nothing but for the user of an open session, who is found on the way.
SIGNED_POST_SQL = _POST_SQL.format(
    author=f"author AS ({sessions.FIND_SQL}), ",
    signed_in=" AND EXISTS (SELECT FROM author)",
    names=f", {USER_COLUMNS}",
    of_author=", author u",
)

# The same, and the hint goes out with the commit, built here since only here the numbers are known:
# `before`, `between`, `rest` and `after` are the frame without them (chat.events).
TOLD_POST_SQL = _POST_SQL.format(
    author="",
    signed_in="",
    names=f""", CASE WHEN departures IS NOT NULL THEN pg_notify(
        '{hints.CHANNEL}',
        concat(chat_id, ' ', seq, ' ', departures, ' ', %(before)s::text, seq, %(between)s::text,
            id, %(rest)s::text,
            to_char(create_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            %(after)s::text)
    ) END""",
    of_author="",
)

# Several messages at once, for one commit and far less work than a statement each. It differs from
# _POST_SQL in this: the chats' rows are taken in the order of their ids, so that no two batches
# wait for each other; a chat's row is taken once, and its messages get their numbers in the order
# they were given in. A client_id that comes twice is stored the first time (`first` is its place);
# what has none is a message each time. A batch lets a chat whose row somebody holds go soon, for
# its other messages are for other chats. Messages are told apart by their places: joined by their
# chats, a hundred for one chat would be a million pairs. Lists go in binary (%b): as text, each
# quote in a message would be found and escaped, for half of what a batch costs this process.
TOGETHER_SQL = """
WITH patience AS (
    SELECT set_config('lock_timeout', '500ms', true) AS is_set
), posts AS MATERIALIZED (
    SELECT c.id AS chat_id, p.place, p.user_id, p.client_id, p.text, min(p.place) OVER (
        PARTITION BY c.id, p.user_id, coalesce(p.client_id::text, p.place::text)
    ) AS first
    FROM unnest(
        %(uris)b::text[], %(users)b::integer[], %(client_ids)b::uuid[], %(texts)b::text[]
    ) WITH ORDINALITY AS p (uri, user_id, client_id, text, place)
    JOIN chat_chat c ON c.uri = p.uri
    JOIN chat_membership s ON s.chat_id = c.id AND s.user_id = p.user_id
), earlier AS MATERIALIZED (
    SELECT p.place, m.id, m.seq, m.text, m.create_date
    FROM posts p
    JOIN chat_message m ON m.chat_id = p.chat_id
        AND m.author_id = p.user_id AND m.client_id = p.client_id
), fresh AS MATERIALIZED (
    SELECT p.*, row_number() OVER (PARTITION BY chat_id ORDER BY place) AS number
    FROM posts p WHERE place = first AND place NOT IN (SELECT place FROM earlier)
), held AS MATERIALIZED (
    SELECT c.id FROM chat_chat c, patience
    WHERE c.id = ANY (ARRAY(SELECT chat_id FROM fresh)) AND patience.is_set <> ''
    ORDER BY c.id FOR NO KEY UPDATE OF c
), taken AS (
    UPDATE chat_chat c SET last_seq = last_seq + f.many, update_date = clock_timestamp()
    FROM (SELECT chat_id, count(*) AS many FROM fresh GROUP BY chat_id) f
    JOIN held ON held.id = f.chat_id
    WHERE c.id = f.chat_id
    RETURNING c.id, c.last_seq - f.many AS before, c.update_date, c.departures
), numbered AS MATERIALIZED (
    SELECT f.*, t.before + f.number AS seq, t.update_date, t.departures
    FROM fresh f JOIN taken t ON t.id = f.chat_id
), stored AS (
    INSERT INTO chat_message (chat_id, seq, author_id, client_id, text, create_date)
    SELECT chat_id, seq, user_id, client_id, text, update_date FROM numbered
    RETURNING chat_id, id, seq
)
SELECT p.place, CASE WHEN n.place = p.place THEN n.departures END,
    p.chat_id, s.id, n.seq, n.text, p.client_id, n.update_date
FROM posts p
JOIN numbered n ON n.place = p.first
JOIN stored s ON s.chat_id = n.chat_id AND s.seq = n.seq
UNION ALL
SELECT p.place, NULL, p.chat_id, e.id, e.seq, e.text, p.client_id, e.create_date
FROM posts p JOIN earlier e ON e.place = p.place
"""
# What the numbers and the time in a hint may take: five of them, 20 digits each, and 27 characters.
NUMBERS_BYTES = 150
# The database has answered, with a refusal: the batch is undone.
TOGETHER_FAILED = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
)

# Never backwards, and not beyond what there is.
READ_SQL = """
UPDATE chat_membership s SET read_seq = LEAST(%(seq)s::bigint, c.last_seq)
FROM chat_chat c
WHERE c.id = %(chat_id)s AND s.chat_id = c.id AND s.user_id = %(user_id)s
  AND s.read_seq < LEAST(%(seq)s::bigint, c.last_seq)
RETURNING s.read_seq
"""

READ_MANY_SQL = """
UPDATE chat_membership s SET read_seq = LEAST(r.seq, c.last_seq)
FROM (
    SELECT chat_id, user_id, max(seq) AS seq
    FROM unnest(%(chats)s::bigint[], %(users)s::bigint[], %(seqs)s::bigint[])
        AS one (chat_id, user_id, seq)
    GROUP BY chat_id, user_id
) r JOIN chat_chat c ON c.id = r.chat_id
WHERE s.chat_id = r.chat_id AND s.user_id = r.user_id AND s.read_seq < LEAST(r.seq, c.last_seq)
RETURNING s.chat_id, s.user_id, s.read_seq
"""


class Read(NamedTuple):
    """Someone has read on."""

    chat_id: int
    user_id: int
    seq: int


class Post(NamedTuple):
    """A message on its way to being stored."""

    uri: str
    user: PublicUser
    draft: Draft


class Posted(NamedTuple):
    """A stored message, whether this call stored it, and how many had left the chat by then.

    `told` says that its hint has gone out with the commit.
    """

    row: MessageRow
    created: bool
    departures: int = 0
    told: bool = False


def post_message(uri: str, user: PublicUser, draft: Draft) -> Posted:
    """Stores a message and hints at it; one round trip on the good path.

    Raises NoSuchChat or Forbidden. To be called outside a transaction: a repeat that runs into
    its twin needs the statement undone alone.
    """
    parameters = _parameters(uri, user, draft)
    try:
        found = _execute(POST_SQL, parameters)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        found = _execute(POST_SQL, parameters)
    if found is None:
        permissions.require_member(permissions.access(uri, user.id))
        # A member by now: joined between the two questions.
        found = _execute(POST_SQL, parameters)
    return _hinted(_posted(uri, user, found))


def post_signed(uri: str, claims: Claims, draft: Draft) -> Posted | None:
    """`post_message` for whoever a verified token names, without asking first who that is.

    None where nothing was stored: the session is over, there is no such chat, or the user is no
    member of it. Whoever wants to know which asks in the order of docs/protocol.md.
    """
    if not permissions.URI_PATTERN.fullmatch(uri):
        return None
    parameters = {
        "uri": uri,
        "user_id": claims.user_id,
        "sid": claims.sid,
        "text": draft.text,
        "client_id": draft.client_id,
    }
    try:
        found = _execute_prepared(SIGNED_POST_SQL, parameters)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        found = _execute_prepared(SIGNED_POST_SQL, parameters)
    if found is None:
        return None
    return _hinted(_posted(uri, UserRow(*found[-4:]), found[:-4]))


async def apost_message(
    db: AsyncConnection, uri: str, user: PublicUser, draft: Draft, tell: bool = False
) -> Posted:
    """`post_message` for the ws tier, on a connection in autocommit mode.

    When it returns with `created`, the message is committed; the caller hints at it unless it is
    `told`. With `tell` the hint goes out in the message's transaction, if its frame fits: one round
    trip in place of two, for PostgreSQL's lock on notifications, which is then held through the
    commit. That is for who has one message at a time.
    """
    parameters = _parameters(uri, user, draft)
    sql = POST_SQL
    if tell and (parts := _frame_parts(uri, user, draft)):
        sql = TOLD_POST_SQL
        parameters |= parts
    try:
        found = await _aexecute(db, sql, parameters)
    except UniqueViolation:
        found = await _aexecute(db, sql, parameters)
    if found is None:
        permissions.require_member(await permissions.aaccess(db, uri, user.id))
        found = await _aexecute(db, sql, parameters)
    posted = _posted(uri, user, found if found is None or sql is POST_SQL else found[:-1])
    return posted._replace(told=posted.created and sql is not POST_SQL)


async def apost_together(db: AsyncConnection, posts: Sequence[Post]) -> list[Posted | None]:
    """Stores several messages in one statement: one round trip and one commit for all of them.

    None for one whose author is no member, or whose chat is not there; `apost_message` says which.
    Raises TOGETHER_FAILED when the database refused one of them, and nothing is stored. `db` is in
    autocommit mode.
    """
    parameters = {
        "uris": [post.uri for post in posts],
        "users": [post.user.id for post in posts],
        "client_ids": [post.draft.client_id for post in posts],
        "texts": [post.draft.text for post in posts],
    }
    cursor = await db.execute(TOGETHER_SQL, parameters)
    answers: list[Posted | None] = [None] * len(posts)
    for place, *found in await cursor.fetchall():
        post = posts[place - 1]
        answers[place - 1] = _posted(post.uri, post.user, tuple(found))
    return answers


def mark_read(chat_id: int, user: PublicUser, seq: int) -> None:
    """The user has read up to `seq`; tells the chat when that is news."""
    with transaction.atomic():
        parameters = {"chat_id": chat_id, "user_id": user.id, "seq": seq}
        found = _execute(READ_SQL, parameters)
        if found is not None:
            publish_event("workers", read_event(chat_id, user, found[0]))


async def amark_read(db: AsyncConnection, reads: list[tuple[int, int, int]]) -> list[Read]:
    """`mark_read` for the ws tier, many in one statement: (chat id, user id, seq) each.

    Returns the positions that changed; the caller publishes a `read_event` for each.
    """
    chats, users, seqs = zip(*reads, strict=True)
    parameters = {"chats": list(chats), "users": list(users), "seqs": list(seqs)}
    cursor = await db.execute(READ_MANY_SQL, parameters)
    return [Read(*row) for row in await cursor.fetchall()]


def read_event(chat_id: int, user: PublicUser, seq: int) -> dict[str, Any]:
    """What every ws worker is told when someone has read on: the chat's and their own sockets."""
    return {"type": "read", "chat_id": chat_id, "user": user_dict(user), "seq": seq}


def _parameters(uri: str, user: PublicUser, draft: Draft) -> dict[str, Any]:
    if not permissions.URI_PATTERN.fullmatch(uri):
        raise permissions.NoSuchChat(permissions.NoSuchChat.detail)
    return {
        "uri": uri,
        "user_id": user.id,
        "text": draft.text,
        "client_id": draft.client_id,
    }


def _frame_parts(uri: str, user: PublicUser, draft: Draft) -> dict[str, str]:
    """What TOLD_POST_SQL wants of a message's frame; nothing where a hint could not carry it."""
    parts = message_frame_parts(uri, user, draft.text, draft.client_id)
    if sum(len(part.encode()) for part in parts) > hints.MAX_PAYLOAD_BYTES - NUMBERS_BYTES:
        return {}
    return dict(zip(("before", "between", "rest", "after"), parts, strict=True))


def _posted(uri: str, user: PublicUser, found: tuple[Any, ...] | None) -> Posted:
    if found is None:
        # Removed in the very moment: the same answer as a moment later.
        raise permissions.Forbidden("You are not a member of this chat.", "not_a_member")
    departures, chat_id, *rest = found
    author = UserRow(user.id, user.username, user.first_name, user.last_name)
    row = MessageRow._make([chat_id, uri, *rest, author])
    return Posted(row, departures is not None, departures or 0)


def _hinted(posted: Posted) -> Posted:
    """The same, with a hint under way for a message that is new."""
    if posted.created:
        row, departures = posted.row, posted.departures
        transaction.on_commit(lambda: hint(row.chat_id, row.seq, departures, message_frame(row)))
    return posted


def _execute_prepared(sql: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    """`_execute`, parsed and planned once a connection. Django's own cursor cannot: it puts the
    parameters into the text."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection)
        return cursor.execute(sql, parameters, prepare=True).fetchone()


def _execute(sql: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


async def _aexecute(
    db: AsyncConnection, sql: str, parameters: dict[str, Any]
) -> tuple[Any, ...] | None:
    cursor = await db.execute(sql, parameters)
    return await cursor.fetchone()
