"""A Hypothesis state machine that does to a chat whatever people and faults may do to it.

It knows what must be true (world.py), and every socket holds what comes against the promises
(readers.py). One run is one pair of fresh rooms; the workers and the database outlive it.
"""

from __future__ import annotations

import functools
import random
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.people import Person
from tests.realtime.promises.readers import Reader
from tests.realtime.promises.world import Room, Said, World

MAX_READERS = 8
# Too long for a hint, so that it comes from the table.
LONG = "\U0001f388" * 2_000
# More than the outbox and both kernels' buffers hold for one reader, eight kilobytes each.
FLOOD = 30
AT_ONCE = 4
# How often a client repeats what was answered `unavailable`.
REPEATS = 20
GONE = (1006, 1012, 4429)

people = st.integers(0, 3)
rooms = st.integers(0, 1)
workers = st.integers(0, 1)
# One of however many there are.
picks = st.integers(0, 99)
AFTERS = ["nothing", "zero", "some", "all", "beyond", "another history", "another history"]


def doing(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that is written down, so that a failure tells what led to it.

    Hypothesis' own account is that of a second run, which need not fail: other processes and
    their timing are no part of what it repeats. For the same reason no rule has a precondition:
    one that finds nothing to do does nothing.
    """

    def wrap(method: Callable[..., None]) -> Any:
        @functools.wraps(method)
        def recorded(self: Promises, **drawn: Any) -> None:
            self.steps.append(f"{method.__name__}({drawn})")
            method(self, **drawn)

        ruled: Any = rule
        return ruled(**strategies)(recorded)

    return wrap


class Promises(RuleBasedStateMachine):
    """`world` is set by whoever runs it, who also finds in `failures` what went wrong."""

    world: World
    failures: list[Exception]

    def __init__(self) -> None:
        super().__init__()
        if self.failures:
            # Hypothesis runs what failed once more; it would take as long, and need not fail.
            raise self.failures[0]
        self.people, self.rooms = self.world.people_and_rooms()
        self.epoch = self.world.epoch()
        self.readers: list[tuple[Room, Reader]] = []
        self.sent: list[tuple[Room, Person, Said]] = []
        self.steps: list[str] = []
        self.number = 0
        try:
            self._begin()
        except Exception as error:
            self.failures.append(error)
            raise

    def _begin(self) -> None:
        """One message and two members' sockets in each room."""
        for place, room in enumerate(self.rooms):
            self._post_over_http(room, room.owner, self._draft(place, False, False))
            for person in self.people[place : place + 2]:
                self._connect(room, person, 0, self.epoch, place)

    # -- people ---------------------------------------------------------------------------------

    @doing(who=people, where=rooms, lose=st.booleans(), long=st.booleans(), bare=st.booleans())
    def post_over_http(self, who: int, where: int, lose: bool, long: bool, bare: bool) -> None:
        if lose:
            self.world.lose_the_next_hint()
        self._post_over_http(self.rooms[where], self.people[who], self._draft(who, long, bare))

    @doing(pick=picks, lose=st.booleans(), long=st.booleans(), bare=st.booleans())
    def post_over_a_socket(self, pick: int, lose: bool, long: bool, bare: bool) -> None:
        if not self.readers:
            return
        room, reader = self.readers[pick % len(self.readers)]
        if lose:
            reader.worker.lose_the_next_hints()
        said = Said(reader.person.id, None if bare else uuid.uuid4(), self._text(long))
        self._post_over_a_socket(room, reader, said)

    @doing(pick=picks, other_text=st.booleans())
    def repeat_over_http(self, pick: int, other_text: bool) -> None:
        room, person, said = self.sent[pick % len(self.sent)]
        self._post_over_http(room, person, said._replace(text="other") if other_text else said)

    @doing(pick=picks)
    def repeat_over_a_socket(self, pick: int) -> None:
        room, person, said = self.sent[pick % len(self.sent)]
        for place, reader in self.readers:
            if place is room and reader.person is person:
                self._post_over_a_socket(room, reader, said)

    @doing(pick=picks, who=people, where=rooms)
    def use_a_client_id_of_somebody_or_somewhere_else(
        self, pick: int, who: int, where: int
    ) -> None:
        """It is theirs alone: only author, chat and `client_id` together make a repeat."""
        _, _, said = self.sent[pick % len(self.sent)]
        own = Said(self.people[who].id, said.client_id, self._text(False))
        self._post_over_http(self.rooms[where], self.people[who], own)

    @doing(who=people, where=rooms)
    def join(self, who: int, where: int) -> None:
        self._add(self.rooms[where], self.people[who], self.people[who])

    @doing(who=people, whom=people, where=rooms)
    def add(self, who: int, whom: int, where: int) -> None:
        self._add(self.rooms[where], self.people[who], self.people[whom])

    @doing(who=people, where=rooms, by_owner=st.booleans())
    def leave_or_remove(self, who: int, where: int, by_owner: bool) -> None:
        room, person = self.rooms[where], self.people[who]
        if person is not room.owner and person.id in room.members:
            self._remove(room, room.owner if by_owner else person, person)

    @doing(where=rooms, after=st.sampled_from(AFTERS), worker=workers, pick=picks)
    def connect(self, where: int, after: str, worker: int, pick: int) -> None:
        if len(self.readers) >= MAX_READERS:
            self.readers.pop(pick % MAX_READERS)[1].close()
        room, count = self.rooms[where], len(self.rooms[where].log)
        members = [person for person in self.people if person.id in room.members]
        seq = {"nothing": None, "zero": 0, "some": pick % (count + 1), "beyond": count + 1}
        epoch = "another" if after == "another history" else self.epoch if pick % 2 else None
        self._connect(room, members[pick % len(members)], seq.get(after, count), epoch, worker)

    @doing(who=people, where=rooms, worker=workers)
    def knock(self, who: int, where: int, worker: int) -> None:
        """Connect, as a member or not."""
        self._connect(self.rooms[where], self.people[who], None, None, worker)

    @doing(pick=picks, worker=workers)
    def come_back(self, pick: int, worker: int) -> None:
        """Close, or having been closed, and resume where one was."""
        if not self.readers:
            return
        room, reader = self.readers.pop(pick % len(self.readers))
        reader.poll()
        reader.close()
        self._connect(room, reader.person, reader.last, self.epoch, worker)

    @doing(who=people, where=rooms, pick=picks)
    def read_the_history(self, who: int, where: int, pick: int) -> None:
        room, person = self.rooms[where], self.people[who]
        after = pick % (len(room.log) + 1)
        answer = person.get(f"/api/chats/{room.uri}/messages/", after=after, limit=200)
        if person.id not in room.members:
            assert answer.status_code == 403, answer.content
            return
        page = answer.json()["messages"]
        assert [_said(message) for message in page] == room.log[after : after + 200]
        assert [message["seq"] for message in page] == [*range(after + 1, after + 1 + len(page))], (
            "numbers"
        )

    @doing(where=rooms, pick=picks, removes=st.booleans(), who=people)
    def many_post_at_once(self, where: int, pick: int, removes: bool, who: int) -> None:
        """Over both tiers, some of it twice, while somebody is perhaps removed."""
        room = self.rooms[where]
        leaver = self.people[who] if removes and self.people[who] is not room.owner else None
        authors = [p for p in self.people if p.id in room.members and p is not leaver]
        drafts = [
            (person, Said(person.id, uuid.uuid4(), self._text(False)))
            for person in authors
            for _ in range(AT_ONCE)
        ]
        inside = [r for place, r in self.readers if place is room and r.open]
        over_sockets = [(r, s) for r in inside for p, s in drafts if r.person is p]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            # Half of the drafts once more, at the same time.
            order = [*drafts, *drafts[pick % 2 :: 2]]
            answers = [threads.submit(_posted_apart, room, *draft) for draft in order]
            for reader, said in over_sockets:
                reader.send(said.text, said.client_id)
            if leaver is not None and leaver.id in room.members:
                self._remove(room, room.owner, leaver, during=True)
            told = [
                (said, answer.result()) for (_, said), answer in zip(order, answers, strict=True)
            ]
        for reader, said in over_sockets:
            frame = reader.answer(said.client_id)
            if frame is not None and frame["type"] == "ack":
                told.append((said, frame["seq"]))
        self._take_over(room, {said for _, said in drafts})
        for said, seq in told:
            assert room.log[seq - 1] == said, f"repeat: {said} acknowledged as {seq}"

    # -- faults ---------------------------------------------------------------------------------

    @doing(worker=workers)
    def cut_the_listener(self, worker: int) -> None:
        self.world.cut(f"chatire-listen:%:{self.world.workers[worker].pid}")

    @doing(worker=workers)
    def cut_all_connections(self, worker: int) -> None:
        self.world.cut(f"chatire-%:{self.world.workers[worker].pid}")

    @doing(worker=workers)
    def kill_a_worker(self, worker: int) -> None:
        dead = self.world.replace(worker)
        for _, reader in self.readers:
            if reader.worker is dead:
                assert reader.ended() in (1006, 1012, 4403, 4429)

    @doing(pick=picks)
    def die_between_commit_and_hint(self, pick: int) -> None:
        if not self.readers:
            return
        room, reader = self.readers[pick % len(self.readers)]
        reader.poll()
        if not reader.open or reader.worker not in self.world.workers:
            return
        if reader.person.id not in room.members:
            return
        said = Said(reader.person.id, uuid.uuid4(), self._text(False))
        reader.worker.die_after_the_next_commit()
        for _ in range(REPEATS):
            reader.send(said.text, said.client_id)
            answer = reader.answer(said.client_id)
            if answer is None:
                break
            assert answer.get("code") == "unavailable", answer
        self.world.replace(self.world.workers.index(reader.worker))
        self._take_over(room, {said})
        # Its author is unsure, and asks again.
        self.sent.append((room, reader.person, said))
        self._post_over_http(room, reader.person, said)

    @doing(who=people, where=rooms, count=st.integers(2, 5), seed=picks)
    def scramble_hints(self, who: int, where: int, count: int, seed: int) -> None:
        """Hints out of order, and each of them twice."""
        with self.world.holding_hints() as hints:
            for _ in range(count):
                draft = self._draft(who, False, False)
                self._post_over_http(self.rooms[where], self.people[who], draft)
        twice = [*hints, *hints]
        random.Random(seed).shuffle(twice)
        self.world.notify(twice)

    @doing(who=people, where=rooms, worker=workers)
    def flood_a_slow_reader(self, who: int, where: int, worker: int) -> None:
        """Who does not read is let go, holds nobody up, and finds all of it on coming back."""
        room, person = self.rooms[where], self.people[who]
        if person.id not in room.members:
            return
        slow = Reader(
            self.world.workers[worker], person, room.uri, len(room.log), self.epoch, slow=True
        )
        slow.start()
        for _ in range(FLOOD):
            said = Said(room.owner.id, uuid.uuid4(), self._text(True))
            self._post_over_http(room, room.owner, said)
        for place, reader in self.readers:
            if place is room and person.id in room.members:
                reader.see(len(room.log))
        self.readers.append((room, slow))
        # What came in one piece may go out in one piece, whatever its size.
        slow.see(len(room.log))
        assert slow.code in (None, *GONE), slow

    # -- what must be true ----------------------------------------------------------------------

    @doing()
    def everything_is_as_promised(self) -> None:
        for room in self.rooms:
            self.world.check(room)
        for place in range(len(self.readers)):
            self.readers[place] = self._caught_up(*self.readers[place])
        self.readers = [(room, reader) for room, reader in self.readers if reader.open]

    def teardown(self) -> None:
        error = sys.exc_info()[1]
        try:
            if error is None:
                self.everything_is_as_promised()
        except AssertionError as failed:
            error = failed
            raise
        finally:
            if isinstance(error, Exception):
                error.add_note("\n".join(["the steps that led here:", *self.steps]))
                self.failures.append(error)
            for _, reader in self.readers:
                reader.close()

    def _caught_up(self, room: Room, reader: Reader) -> tuple[Room, Reader]:
        """The reader, or the one it became by coming back, once it has everything."""
        if reader.person.id not in room.members:
            code = reader.ended()
            assert code in (4403, *GONE), f"{reader!r}, no member, closed with {code}"
            return room, reader
        reader.see(len(room.log))
        while not reader.open:
            # One who is back may have been closed while they were not.
            fine = (4403, *GONE) if reader.removed else GONE
            assert reader.code in fine, f"{reader!r}, a member, closed with {reader.code}"
            self._check_texts(room, reader)
            worker = self.world.workers[len(self.readers) % 2]
            reader = Reader(worker, reader.person, room.uri, reader.last, self.epoch)
            reader.start()
            reader.see(len(room.log))
        self._check_texts(room, reader)
        return room, reader

    def _check_texts(self, room: Room, reader: Reader) -> None:
        for seq, frame in reader.messages.items():
            assert _said(frame) == room.log[seq - 1], f"{reader!r}: message {seq}"

    # -- how it is done -------------------------------------------------------------------------

    def _text(self, long: bool) -> str:
        self.number += 1
        return f"{self.number} {LONG if long else ''}"[:2_000]

    def _draft(self, who: int, long: bool, bare: bool) -> Said:
        return Said(self.people[who].id, None if bare else uuid.uuid4(), self._text(long))

    def _post_over_http(self, room: Room, person: Person, said: Said) -> None:
        answer = _http_post(room, person, said)
        if person.id not in room.members:
            assert answer.status_code == 403, f"a stranger: {answer.content}"
            return
        earlier = room.find(person.id, said.client_id)
        assert answer.status_code == (200 if earlier else 201), f"repeat: {answer.content}"
        self._acknowledged(room, person, said, answer.json()["seq"])

    def _post_over_a_socket(self, room: Room, reader: Reader, said: Said) -> None:
        if reader.person.id not in room.members:
            reader.send(said.text, said.client_id)
            assert reader.answer(said.client_id) is None, "a stranger's message is acked"
            assert reader.code in (4403, *GONE), reader
            return
        for _ in range(REPEATS):
            reader.send(said.text, said.client_id)
            answer = reader.answer(said.client_id)
            if answer is None:
                # It ended. What became of the message is in the table, and others will see it.
                self._take_over(room, {said})
                return
            if answer["type"] == "ack":
                self._acknowledged(room, reader.person, said, answer["seq"])
                return
            assert answer["code"] == "unavailable", answer
            if said.client_id is None:
                self._take_over(room, {said})
                return
        raise AssertionError(f"{reader!r}: unavailable {REPEATS} times")

    def _acknowledged(self, room: Room, person: Person, said: Said, seq: int) -> None:
        """Durable before acknowledged, with the next number, or the first one of a repeat."""
        rows = dict(self.world.rows(room))
        assert seq in rows, f"durable: {said} acknowledged as {seq} is not there"
        earlier = room.find(person.id, said.client_id)
        if earlier:
            assert seq == earlier, f"repeat of {earlier} became {seq}"
        else:
            # An earlier try of the same may have been stored, and its answer lost.
            assert seq == len(room.log) + 1, f"numbers: {seq} after {len(room.log)}"
            assert rows[seq] == said, f"durable: {said} became {rows[seq]}"
            room.log.append(said)
            if said.client_id is not None:
                self.sent.append((room, person, said))
        assert len(rows) == len(room.log), f"repeat: {len(rows)} rows, {len(room.log)} messages"

    def _take_over(self, room: Room, expected: set[Said]) -> None:
        """Learn from the table which of the `expected` were stored: each once, nothing else."""
        new = self.world.rows(room)[len(room.log) :]
        found = [said for _, said in new]
        assert len(found) == len(set(found)), "repeat: stored twice"
        assert set(found) <= expected, f"stored, and nobody sent it: {set(found) - expected}"
        room.log += found
        self.world.check(room)

    def _add(self, room: Room, by: Person, whom: Person) -> None:
        for place, reader in self.readers:
            if place is room and reader.person is whom:
                # Up to here the limit of a removed member holds.
                reader.poll()
        answer = by.patch(f"/api/chats/{room.uri}/", {"username": whom.username})
        allowed = by.id in room.members or (by is whom and whom.id not in room.barred)
        assert answer.status_code == (200 if allowed else 403), answer.content
        if not allowed or whom.id in room.members:
            return
        room.members.add(whom.id)
        room.barred.discard(whom.id)
        for place, reader in self.readers:
            if place is room and reader.person is whom:
                reader.limit = None

    def _remove(self, room: Room, by: Person, whom: Person, during: bool = False) -> None:
        answer = by.delete(f"/api/chats/{room.uri}/members/{whom.username}/")
        assert answer.status_code == 204, answer.content
        room.members.discard(whom.id)
        if by is not whom:
            room.barred.add(whom.id)
        limit = len(self.world.rows(room)) if during else len(room.log)
        for place, reader in self.readers:
            if place is room and reader.person is whom:
                reader.limit, reader.removed = limit, True

    def _connect(
        self, room: Room, person: Person, after: int | None, epoch: str | None, worker: int
    ) -> None:
        count = len(room.log)
        fits = (after is None or after <= count) and epoch in (None, self.epoch)
        expect = "ready" if fits or after is None else "reset"
        for _ in range(REPEATS):
            reader = Reader(self.world.workers[worker], person, room.uri, after, epoch, expect)
            if person.id in room.members:
                reader.start()
                break
            code = reader.ended()
            assert code in (4403, 1012), f"{reader!r} was let in"
            assert not reader.epoch, "ready for a stranger"
            if code == 4403:
                # The other one means that the worker's connections have just been cut.
                return
        self.readers.append((room, reader))
        if reader.open:
            assert reader.last == count, f"{reader!r}: {expect} at less than all {count}"


def _http_post(room: Room, person: Person, said: Said) -> Any:
    body = {"message": said.text, "client_id": said.client_id and str(said.client_id)}
    return person.post(f"/api/chats/{room.uri}/messages/", body)


def _posted_apart(room: Room, person: Person, said: Said) -> int:
    """Post from a thread, on a connection of its own; returns the `seq`."""
    try:
        answer = _http_post(room, person, said)
        assert answer.status_code in (200, 201), answer.content
        seq: int = answer.json()["seq"]
        return seq
    finally:
        connection.close()


def _said(message: dict[str, Any]) -> Said:
    client_id = message["client_id"]
    return Said(message["user"]["id"], client_id and uuid.UUID(client_id), message["message"])
