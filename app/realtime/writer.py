"""Store what the sockets of this worker send, several messages in one statement.

A lone message is stored at once, and its hint goes out with the commit. What comes while others
are on their way to the database waits, and is stored together as soon as one of them is back: one
round trip and one commit, however many. A chat's messages are under way one batch at a time, so
that they keep their order.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

import psycopg

from accounts.users import PublicUser
from chat import actions
from chat.actions import Post, Posted
from chat.drafts import Draft
from realtime import pool
from realtime.flusher import RETRIED

T = TypeVar("T")

# Transactions under way at a time: one is planned and written while another one's commit waits
# for the disk, and one may wait for a chat that somebody holds. More only make batches smaller.
LANES = 3
# Messages in one transaction: a few milliseconds of the database's time.
BATCH = 100
# Who has waited for so long is told so; the shipped page gives its socket up after 8 s.
WAIT_SECONDS = 4.0
CLOSE_SECONDS = 2.0
# A connection that breaks so soon was dead when it was lent: ended by the server a moment ago,
# perhaps with all others of the pool. A message may go twice where its client_id lets it in once;
# one without is not tried again, for it may be stored already.
BROKEN_SECONDS = 0.5
# PostgreSQL lets one transaction with a notification commit at a time. Where that takes longer than
# TELL_SECONDS (a slow disk, a synchronous standby, many workers that do the same), hints go by
# themselves for the next ALONE_SECONDS: their transactions write nothing and are done in no time.
TELL_SECONDS = 0.005
ALONE_SECONDS = 1.0


class _Waiting(NamedTuple):
    post: Post
    stored: asyncio.Future[Posted]
    since: float


class Writer:
    """One event loop's writer.

    `tells`: whether a lone message's hint goes out with it (Posted.told).
    """

    def __init__(self, *, tells: bool = False) -> None:
        # The backends that are storing a message whose hint goes along.
        self.telling: set[int] = set()
        self._tells = tells
        self._tells_after = 0.0
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        # Chats that have messages on their way.
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: asyncio.Handle | None = None

    def post(self, uri: str, user: PublicUser, draft: Draft) -> asyncio.Future[Posted]:
        """Take a message; the future is done when it is committed, or refused.

        It raises NoSuchChat or Forbidden, or what the database or the lack of it raises: then
        whether the message is stored is not known.
        """
        stored: asyncio.Future[Posted] = self._loop.create_future()
        self._waiting.append(_Waiting(Post(uri, user, draft), stored, self._loop.time()))
        self._wake()
        return stored

    async def close(self) -> None:
        """Give what is under way or waits a moment to be stored."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                self._start()
                while self._tasks:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                    self._start()
        for task in self._tasks:
            task.cancel()

    def _wake(self) -> None:
        # At the end of this turn of the loop, which may bring more.
        if self._turn is None and len(self._tasks) < LANES:
            self._turn = self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._turn = None
        if len(self._tasks) >= LANES or not (batch := self._take()):
            return
        self._busy.update(one.post.uri for one in batch)
        task = self._loop.create_task(self._run(batch), name="writer")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _take(self) -> list[_Waiting]:
        """The oldest that may be stored now."""
        too_long = self._loop.time() - WAIT_SECONDS
        batch: list[_Waiting] = []
        rest: list[_Waiting] = []
        for one in self._waiting:
            if one.since < too_long:
                one.stored.set_exception(TimeoutError("waited too long for the database"))
            elif len(batch) < BATCH and one.post.uri not in self._busy:
                batch.append(one)
            else:
                rest.append(one)
        self._waiting = rest
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._waiting:
            self._wake()

    async def _run(self, batch: list[_Waiting]) -> None:
        results: list[Posted | Exception | None] = [None] * len(batch)
        if len(batch) > 1:
            results = await self._together(batch)
        # Those that need a closer look.
        rooms: dict[str, list[_Waiting]] = defaultdict(list)
        for one, result in zip(batch, results, strict=True):
            if result is None:
                rooms[one.post.uri].append(one)
        self._busy.difference_update(one.post.uri for one in batch if one.post.uri not in rooms)
        # The database gets the next batch before this loop turns to those who waited for this one.
        self._start()
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                one.stored.set_exception(result)
            elif result is not None:
                one.stored.set_result(result)
        if rooms:
            await asyncio.gather(*(self._apart(uri, some) for uri, some in rooms.items()))

    async def _together(self, batch: list[_Waiting]) -> list[Posted | Exception | None]:
        """Store a batch in one transaction; what became of each, None where that is not clear."""
        posts = [one.post for one in batch]
        again = all(_may_go_twice(post) for post in posts)
        try:
            return list(await self._tried(lambda db: actions.apost_together(db, posts), again))
        except actions.TOGETHER_FAILED:
            # Nothing is stored, and one bad message must not fail the others.
            return [None] * len(batch)
        except psycopg.OperationalError as error:
            return [None if not again and _may_go_twice(post) else error for post in posts]
        except Exception as error:
            return [error] * len(batch)

    async def _apart(self, uri: str, waiting: list[_Waiting]) -> None:
        """Store a chat's messages one by one, in their order."""
        away: Exception | None = None
        try:
            for one in waiting:
                try:
                    if away is not None:
                        raise away
                    tell = self._may_tell(waiting)
                    one.stored.set_result(await self._apost(one.post, tell))
                except RETRIED as error:
                    # The next one would wait as long, for the same.
                    away = error
                    one.stored.set_exception(error)
                except Exception as error:
                    one.stored.set_exception(error)
        finally:
            self._release([uri])

    def _may_tell(self, waiting: list[_Waiting]) -> bool:
        """Whether nobody waits for the commit of these but their author."""
        alone = len(waiting) == 1 and len(self._tasks) == 1 and not self._waiting
        return alone and self._tells and self._loop.time() >= self._tells_after

    async def _apost(self, post: Post, tell: bool) -> Posted:
        again = _may_go_twice(post)
        if not tell:
            return await self._tried(lambda db: actions.apost_message(db, *post), again)
        began = self._loop.time()
        try:
            return await self._tried(lambda db: self._tell(db, post), again)
        finally:
            if (now := self._loop.time()) - began > TELL_SECONDS:
                self._tells_after = now + ALONE_SECONDS

    async def _tell(self, db: pool.Connection, post: Post) -> Posted:
        backend = db.info.backend_pid
        self.telling.add(backend)
        try:
            return await actions.apost_message(db, *post, tell=True)
        finally:
            self.telling.discard(backend)

    async def _tried(self, work: Callable[[pool.Connection], Awaitable[T]], again: bool) -> T:
        """Work on a connection, and `again` on another one when the first was dead already."""
        end = self._loop.time() + BROKEN_SECONDS
        while True:
            async with pool.promptly() as db:
                try:
                    return await work(db)
                except psycopg.OperationalError:
                    if not again or not db.closed or self._loop.time() > end:
                        raise

    def _release(self, uris: Iterable[str]) -> None:
        self._busy.difference_update(uris)
        if self._waiting:
            self._wake()


def _may_go_twice(post: Post) -> bool:
    return post.draft.client_id is not None
