"""A page of history in a room of a million messages, against one of a thousand."""

from __future__ import annotations

import functools
import random
import time

from load.http import Connection
from load.statistic import latencies
from meter import Meter, Run
from scenarios.case import Case, Scenario
from scenarios.posts import both
from targets.design import HOST, Design

SMALL, LARGE = 1_000, 1_000_000
PAGES, PAGE, WARM_UP = 600, 50, 50
# The room of either size, counted from the end, where no other scenario posts.
ROOM = {SMALL: -1, LARGE: -2}
FILL = """
WITH room AS (SELECT id FROM chat_chat ORDER BY id DESC OFFSET {offset} LIMIT 1),
said AS (
    INSERT INTO chat_message (chat_id, seq, author_id, text, create_date)
    SELECT c.id, n, c.owner_id,
           rpad('message ' || n, 200, 'x'), now() - (interval '1 second' * ({rows} - n))
    FROM room JOIN chat_chat c USING (id), generate_series(c.last_seq + 1, {rows}) n
    RETURNING 1
)
UPDATE chat_chat SET last_seq = {rows} WHERE id = (SELECT id FROM room)
  AND (SELECT count(*) FROM said) > 0
"""


async def pages(design: Design, run: Run, *, rows: int, count: int) -> None:
    """Pages of 50, anywhere in the room, one after another."""
    design.pod.sql(FILL.format(rows=rows, offset=-1 - ROOM[rows]))
    design.pod.sql("ANALYZE chat_message")
    (token, *_) = await design.tokens()
    path = design.message_path(ROOM[rows])
    # The same places in every run.
    places = random.Random(rows)  # noqa: S311
    async with Connection(HOST, design.http_port) as connection:

        async def page() -> float:
            before = places.randint(51, rows)
            begun = time.perf_counter()
            status, content = await connection.ask("GET", f"{path}?before={before}", token=token)
            if status != 200 or content.count(b'"seq":') != PAGE:
                raise ConnectionError(f"a page was answered with {status}: {content[:200]!r}")
            return time.perf_counter() - begun

        for _ in range(WARM_UP):
            await page()
        with Meter(design.pod, run):
            begun = time.perf_counter()
            took = [await page() for _ in range(count)]
            lasted = time.perf_counter() - begun
    run.figures = {**latencies(took), "requests_per_s": count / lasted}


HISTORY = Scenario(
    "history",
    "A page of history",
    ("chatire", "chatire-nginx"),
    lambda quick: [
        Case(
            f"room of {rows:,}",
            functools.partial(pages, rows=rows, count=100 if quick else PAGES),
        )
        for rows in (SMALL, LARGE)
    ],
    both,
)
