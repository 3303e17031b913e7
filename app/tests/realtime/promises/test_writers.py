"""A hundred threads of the http tier and a hundred tasks of the ws tier, all in one room."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.users import UserRow
from chat import actions
from chat.actions import Posted
from chat.drafts import Draft
from realtime import pool
from tests.people import Person, make_person
from tests.realtime.rooms import chat_id, make_room, user_of
from tests.realtime.waiting import query

THREADS = TASKS = 100
EACH = 3
AUTHORS = 5

Work = tuple[Person, Draft]
Told = list[tuple[Work, Posted]]


def work(people: list[Person]) -> tuple[list[list[Work]], list[list[Work]]]:
    """What every thread and every task posts: half of it is posted by one of the others too."""
    chance = random.Random(5)
    own = [
        [
            (
                chance.choice(people),
                Draft(f"{writer}/{turn}", uuid.UUID(int=chance.getrandbits(128))),
            )
            for turn in range(EACH)
        ]
        for writer in range(THREADS + TASKS)
    ]
    everything = [one for drafts in own for one in drafts]
    for drafts in own:
        drafts += chance.sample(everything, k=EACH // 2)
        # And some of one's own at once again, as a client does that has had no answer.
        drafts.insert(1, drafts[0])
    chance.shuffle(own)
    return own[:THREADS], own[THREADS:]


def in_threads(uri: str, writers: list[list[Work]], together: Barrier) -> Told:
    """Each writer in a thread, on a connection of its own."""

    def write(drafts: list[Work]) -> Told:
        connection.ensure_connection()
        together.wait(60)
        try:
            return [(one, actions.post_message(uri, user_of(one[0]), one[1])) for one in drafts]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        return [told for some in threads.map(write, writers) for told in some]


def in_tasks(uri: str, writers: list[list[Work]], together: Barrier) -> Told:
    """Each writer a task, over the ws tier's pool of a few connections."""

    async def write(drafts: list[Work]) -> Told:
        told = []
        for one in drafts:
            user = UserRow(one[0].id, one[0].username, "", "")
            async with pool.connection(60) as db:
                told.append((one, await actions.apost_message(db, uri, user, one[1])))
        return told

    async def main() -> Told:
        together.wait(60)
        try:
            written = await asyncio.gather(*(write(drafts) for drafts in writers))
        finally:
            await pool.close_pool()
        return [told for some in written for told in some]

    return asyncio.run(main())


def post_all(uri: str, threads: list[list[Work]], tasks: list[list[Work]]) -> Told:
    together = Barrier(THREADS + 1)
    with ThreadPoolExecutor(1) as beside:
        over_ws = beside.submit(in_tasks, uri, tasks, together)
        return [*in_threads(uri, threads, together), *over_ws.result()]


def distinct(writers: Iterable[list[Work]]) -> set[tuple[int, Draft]]:
    return {(person.id, draft) for drafts in writers for person, draft in drafts}


def test_hundreds_of_writers_of_both_tiers_get_numbers_without_gap_or_double(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two hundred wait for six connections and for one row, on a machine that may be busy.
    monkeypatch.setattr(pool, "CHECKOUT_SECONDS", 60.0)
    people = [make_person() for _ in range(AUTHORS)]
    uri = make_room(*people)
    threads, tasks = work(people)
    told = post_all(uri, threads, tasks)

    messages = distinct([*threads, *tasks])
    rows = query(
        "SELECT seq, author_id, text, client_id, create_date FROM chat_message"
        " WHERE chat_id = %s ORDER BY seq",
        chat_id(uri),
    )
    assert [row[0] for row in rows] == list(range(1, len(messages) + 1))
    assert {(author, Draft(text, own_id)) for _, author, text, own_id, _ in rows} == messages
    assert [row[4] for row in rows] == sorted(row[4] for row in rows)
    assert query("SELECT last_seq FROM chat_chat WHERE uri = %s", uri) == [(len(messages),)]
    seqs = defaultdict(set)
    created: dict[tuple[int, Draft], int] = defaultdict(int)
    for (person, draft), posted in told:
        seqs[person.id, draft].add(posted.row.seq)
        created[person.id, draft] += posted.created
    assert all(len(found) == 1 for found in seqs.values()), "one message, several numbers"
    assert set(created.values()) == {1}, "stored once, and told so once"


def test_numbers_are_given_in_the_order_of_commits(committed: None) -> None:
    """Whoever sees message n sees all before it, at any moment while many write."""
    people = [make_person() for _ in range(AUTHORS)]
    uri = make_room(*people)
    threads, tasks = work(people)
    count_sql = "SELECT count(*), coalesce(max(seq), 0) FROM chat_message WHERE chat_id = %s"
    number, seen = chat_id(uri), set()
    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(post_all, uri, threads[:THREADS], tasks)
        while not writing.done():
            [(count, last)] = query(count_sql, number)
            assert count == last, "a number was seen before the one below it"
            seen.add(last)
        writing.result()
    assert len(seen) > 10, "nothing was looked at while they wrote"
