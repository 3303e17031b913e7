"""Ways to break the application, each of which the state machine has to notice.

`break_it` is called in each worker after its fork and, with pytest's MonkeyPatch, in the test's
own process, which is the http tier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

Patch = Callable[[Any, str, Any], None]


class Mutant(NamedTuple):
    """What is broken, and the words of the failure that this has to come to."""

    broken: Callable[[Patch], None]
    noticed: str

    def break_it(self, patch: pytest.MonkeyPatch | None = None) -> None:
        self.broken(patch.setattr if patch else setattr)


def _edited(statement: str, old: str, new: str) -> str:
    assert old in statement, f"the statement has no {old!r} any more: mend this mutant"
    return statement.replace(old, new)


def _in_each_post(patch: Patch, edit: Callable[[str], str]) -> None:
    """The statement has two more forms: the http tier's short way, and with its hint."""
    from chat import actions

    for name in ("POST_SQL", "SIGNED_POST_SQL", "TOLD_POST_SQL"):
        patch(actions, name, edit(getattr(actions, name)))


def no_dedupe(patch: Patch) -> None:
    """A repeat is a new message: `client_id` is neither looked for nor stored."""

    def edit(sql: str) -> str:
        sql = _edited(sql, "m.client_id = %(client_id)s::uuid", "FALSE")
        return _edited(sql, "%(client_id)s::uuid, %(text)s", "NULL::uuid, %(text)s")

    _in_each_post(patch, edit)


def counter_before_conflict(patch: Patch) -> None:
    """The number is taken, then the insert finds that it is a repeat: a gap."""

    def edit(sql: str) -> str:
        sql = _edited(sql, "AND NOT EXISTS (SELECT FROM earlier)", "")
        return _edited(sql, "FROM taken\n", "FROM taken ON CONFLICT DO NOTHING\n")

    _in_each_post(patch, edit)


def strangers_may_post(patch: Patch) -> None:
    """The statement does not ask who is a member."""

    def edit(sql: str) -> str:
        return sql[: sql.index("AND EXISTS (")] + sql[sql.index("AND NOT EXISTS") :]

    _in_each_post(patch, edit)


def strangers_may_listen(patch: Patch) -> None:
    """A socket is let in without a look at the members."""
    from chat import permissions

    patch(permissions, "require_member", permissions.require_chat)


def no_tick(patch: Patch) -> None:
    """Nobody looks for what no hint has told of."""
    from realtime.ticks import Ticks

    async def nothing(self: Ticks) -> None:
        self._hub.epoch = self._hub.epoch or await _epoch()

    patch(Ticks, "rooms", nothing)


def removal_is_not_told(patch: Patch) -> None:
    """Members who are gone keep their sockets: no event, and nobody who looks at the table."""
    from realtime.doubts import Doubts
    from realtime.hub import Hub
    from realtime.ticks import Ticks

    async def nothing(self: object) -> None: ...

    async def settled(self: Doubts, chat_id: int) -> None:
        self._members.discard(chat_id)

    patch(Hub, "_members_changed", lambda *arguments: None)
    patch(Ticks, "access", nothing)
    patch(Doubts, "settle", settled)


def ack_before_commit(patch: Patch) -> None:
    """The ws tier answers while its transaction is still open."""
    from chat import actions
    from realtime import pool

    held: set[asyncio.Task[None]] = set()

    async def apost_message(db: Any, *arguments: Any, **rest: Any) -> actions.Posted:
        posted = asyncio.get_running_loop().create_future()

        async def run() -> None:
            async with pool.connection() as own, own.transaction():
                try:
                    posted.set_result(await honest(own, *arguments, **rest))
                except Exception as error:
                    posted.set_exception(error)
                    raise
                await asyncio.sleep(0.1)

        task = asyncio.get_running_loop().create_task(run())
        held.add(task)
        task.add_done_callback(held.discard)
        first: actions.Posted = await posted
        return first

    honest = actions.apost_message
    patch(actions, "apost_message", apost_message)


def every_hint_is_delivered(patch: Patch) -> None:
    """A hint is handed on as it comes: out of order, and twice."""
    from realtime.room import Room

    def hear(self: Room, seq: int, departures: int, frame: bytes) -> None:
        if frame:
            self._deliver(seq, frame)

    patch(Room, "hear", hear)


def resume_from_the_wrong_place(patch: Patch) -> None:
    """A client that comes back misses the first message."""
    from realtime.room import Room

    replay = Room._replay

    async def late(self: Room, socket: Any, sent: int) -> None:
        await replay(self, socket, sent + 1)

    patch(Room, "_replay", late)


def deaf_after_a_cut(patch: Patch) -> None:
    """The listener ends with its connection, as that of channels-postgres does."""
    from realtime import listener
    from realtime.listener import Listener

    # It is soon seen to be deaf.
    for name, seconds in (("BEAT", 0.3), ("ANSWER", 0.5), ("DEAF", 1.0)):
        patch(listener, f"{name}_SECONDS", seconds)

    async def once(self: Listener) -> None:
        await self._listen()

    patch(Listener, "_supervise", once)


def epoch_is_ignored(patch: Patch) -> None:
    """A client of another history is told that nothing is amiss."""
    from realtime.query import ChatQuery
    from realtime.room import Room

    attach = Room.attach

    async def blind(self: Room, socket: Any, query: ChatQuery, access: Any) -> bool:
        return await attach(self, socket, query._replace(epoch=None), access)

    patch(Room, "attach", blind)


async def _epoch() -> str:
    from chat import epoch
    from realtime import pool

    return str((await pool.fetch(epoch.EPOCH_SQL))[0][0])


MUTANTS = {
    mutant.__name__: Mutant(mutant, noticed)
    for mutant, noticed in [
        (no_dedupe, "repeat|durable"),
        (
            counter_before_conflict,
            r"repeat|numbers|message \d+ after \d+|ready at (\d+|less than all \d+)",
        ),
        # Said over a socket that was cut just then, it is found in the table only.
        (strangers_may_post, "a stranger|not what was said"),
        (strangers_may_listen, "a stranger|was let in"),
        (no_tick, "no message"),
        (removal_is_not_told, "not for them|no a close frame"),
        (ack_before_commit, r"durable|message \d+ after \d+"),
        (every_hint_is_delivered, r"message \d+ after \d+"),
        (resume_from_the_wrong_place, r"ready at \d+|message \d+ after \d+"),
        (deaf_after_a_cut, "503"),
        (epoch_is_ignored, "ready, after=|no reset"),
    ]
}
