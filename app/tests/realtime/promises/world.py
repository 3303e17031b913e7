"""What a run stands on, and what it believes: workers, people, rooms and their true history."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from chat import actions, epoch
from realtime import publish
from realtime.conninfo import connection_params
from realtime.flusher import HINT_SQL, hint_thread
from realtime.hints import CHANNEL, Hint, pack
from tests.people import Person, make_chat, make_person
from tests.realtime.promises import mutants
from tests.realtime.promises.nursery import Nursery, NurseryWorker

WORKERS = 2

ROWS_SQL = """
SELECT seq, author_id, client_id, text FROM chat_message WHERE chat_id = %s ORDER BY seq
"""
# Commit order is what the database says it was, where it keeps that (track_commit_timestamp).
ORDER_SQL = """
SELECT seq FROM chat_message WHERE chat_id = %s
ORDER BY {moment}, seq
"""


class Said(NamedTuple):
    """A message as its author sent it."""

    author: int
    client_id: uuid.UUID | None
    text: str


class Room:
    """A chat: who is in it, and what was said. `log[0]` is message 1."""

    def __init__(self, owner: Person, *members: Person) -> None:
        self.uri = make_chat(owner, *members)
        self.owner = owner
        self.members = {owner.id, *(member.id for member in members)}
        # Removed by the owner and not added again.
        self.barred: set[int] = set()
        self.log: list[Said] = []

    def find(self, author: int, client_id: uuid.UUID | None) -> int:
        """The `seq` of a message sent before with this `client_id`, or 0."""
        for seq, said in enumerate(self.log, 1):
            if client_id is not None and (said.author, said.client_id) == (author, client_id):
                return seq
        return 0


class World:
    """Two workers, and an eye on the database that nobody else uses."""

    def __init__(self, directory: Path, mutant: str = "") -> None:
        self.nursery = Nursery(directory, mutant)
        self.workers: list[NurseryWorker] = []
        parameters = connection_params("promises-eye")
        self.eye = psycopg.connect(**parameters, autocommit=True)
        tracked = self.eye.execute("SHOW track_commit_timestamp").fetchone() == ("on",)
        moment = "pg_xact_commit_timestamp(xmin)" if tracked else "create_date"
        self._order_sql = ORDER_SQL.format(moment=moment)
        self._lost, self._held = False, list[Hint]()
        self._holding = False

    def close(self) -> None:
        self.eye.close()
        hint_thread.close()
        self.nursery.close()

    def people_and_rooms(self) -> tuple[list[Person], list[Room]]:
        """Four people and two rooms of two; everybody knows both links."""
        people = [make_person() for _ in range(4)]
        return people, [Room(people[0], people[1]), Room(people[1], people[2])]

    def epoch(self) -> str:
        return epoch.current()

    def replace(self, place: int) -> NurseryWorker:
        """Kill a worker, and start another in its place; returns the dead one."""
        dead = self.workers[place]
        dead.kill()
        self.workers[place] = self.nursery.spawn()
        return dead

    def cut(self, application: str) -> None:
        """End the database connections of this name."""
        self.eye.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE %s",
            [application],
        )

    # -- hints of the http tier, which is this process ------------------------------------------

    def hint(self, chat_id: int, seq: int, *rest: object) -> None:
        """In place of the actions' own: sends a hint, loses it, or holds it back."""
        if self._holding:
            self._held.append(Hint(chat_id, seq, *rest))  # type: ignore[arg-type]
        elif self._lost:
            self._lost = False
        else:
            publish.hint(chat_id, seq, *rest)  # type: ignore[arg-type]

    def lose_the_next_hint(self) -> None:
        self._lost = True

    @contextmanager
    def holding_hints(self) -> Iterator[list[Hint]]:
        """Hold back what is hinted at; the list fills meanwhile."""
        self._holding, self._held = True, []
        try:
            yield self._held
        finally:
            self._holding = False

    def notify(self, hints: list[Hint]) -> None:
        """Send hints one by one, in this order."""
        for hint in hints:
            self.eye.execute(HINT_SQL, [CHANNEL, pack([hint])])

    # -- what the database says -----------------------------------------------------------------

    def chat_id(self, room: Room) -> int:
        row = self.eye.execute("SELECT id FROM chat_chat WHERE uri = %s", [room.uri]).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self, room: Room) -> list[tuple[int, Said]]:
        """(seq, message), as another connection sees them at this moment."""
        rows = self.eye.execute(ROWS_SQL, [self.chat_id(room)]).fetchall()
        return [(seq, Said(*rest)) for seq, *rest in rows]

    def check(self, room: Room) -> None:
        """The table holds the log, numbered 1, 2, 3, … in the order of commits."""
        rows = self.rows(room)
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1)), "numbers: a gap"
        assert [said for _, said in rows] == room.log, "repeat: not what was said, each once"
        chat_id, count = self.chat_id(room), len(room.log)
        order = [seq for (seq,) in self.eye.execute(self._order_sql, [chat_id]).fetchall()]
        assert order == list(range(1, count + 1)), "the order of commits"
        last = self.eye.execute("SELECT last_seq FROM chat_chat WHERE id = %s", [chat_id])
        assert last.fetchone() == (count,), "numbers: the counter went on"


@contextmanager
def a_world(directory: Path, mutant: str = "") -> Iterator[World]:
    """A world with its workers ready; with `mutant`, a broken one, this process included."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(directory, mutant)
        try:
            patch.setattr(actions, "hint", world.hint)
            if mutant:
                mutants.MUTANTS[mutant].break_it(patch)
            for _ in range(WORKERS):
                world.workers.append(world.nursery.spawn())
            yield world
        finally:
            world.close()
