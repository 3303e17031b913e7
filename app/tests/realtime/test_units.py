"""The small parts, each by itself."""

from __future__ import annotations

import asyncio
import os
import random

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import bucket, flusher, hints, pool
from realtime.backoff import LONGEST_SECONDS, backoff
from realtime.closing import Close
from realtime.flusher import AsyncFlusher, HintThread
from realtime.frame import parse
from realtime.hints import Hint
from realtime.origin import allowed_origins, origin_of
from realtime.query import ChatQuery, read_query
from realtime.server import bind_arguments
from realtime.wire import framed
from tests.realtime.waiting import query, until

JSON_TEXT = st.text().filter(lambda text: "\n" not in text and "\r" not in text)


@given(
    st.lists(
        st.builds(
            Hint,
            st.integers(0, 2**63 - 1),
            st.integers(0, 2**63 - 1),
            st.integers(0, 2**63 - 1),
            JSON_TEXT | st.just("x" * 9000),
        ),
        max_size=30,
    )
)
def test_hints_survive_packing_and_every_payload_fits_a_notify(given_hints: list[Hint]) -> None:
    payloads = hints.pack(given_hints)
    assert all(len(payload.encode()) < 8000 for payload in payloads)
    unpacked = [hint for payload in payloads for hint in hints.unpack(payload)]
    assert [hint[:3] for hint in unpacked] == [hint[:3] for hint in given_hints]
    for got, put in zip(unpacked, given_hints, strict=True):
        assert got.frame in ("", put.frame)


@given(st.text())
def test_any_payload_can_be_unpacked(payload: str) -> None:
    for hint in hints.unpack(payload):
        assert hint.chat_id >= 0
        assert hint.seq >= 0


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_frame_is_what_the_websocket_protocol_says(length: int) -> None:
    from websockets.frames import Frame, Opcode

    payload = b"x" * length
    assert framed(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_a_bucket_gives_its_burst_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(bucket, "monotonic", lambda: now)
    held = bucket.Bucket(rate=10, burst=5)
    assert [held.take() for _ in range(6)] == [True] * 5 + [False]
    now = 0.35
    assert [held.take() for _ in range(4)] == [True] * 3 + [False]
    now = 1000.0
    assert sum(held.take() for _ in range(100)) == 5


@pytest.mark.parametrize(
    ("given_query", "expected"),
    [
        ("", ChatQuery(None, None)),
        ("after=5", ChatQuery(5, None)),
        ("after=0&epoch=abc", ChatQuery(0, "abc")),
        ("epoch=", ChatQuery(None, None)),
        ("after=007", ChatQuery(7, None)),
        ("after=" + "9" * 10_000, ChatQuery(10**20 - 1, None)),
        ("after=", None),
        ("after=-1", None),
        ("after=1.0", None),
        ("after=%D9%A3", None),
        ("x=%ff%fe&after=1", ChatQuery(1, None)),
    ],
)
def test_the_query_of_a_chat_socket(given_query: str, expected: ChatQuery | None) -> None:
    assert read_query(given_query.encode()) == expected


@given(st.text() | st.none())
def test_any_text_is_a_frame_or_a_close(text: str | None) -> None:
    try:
        assert isinstance(parse(text)["type"], str)
    except Close as close:
        assert close.code == 4400


def test_origins_on_loopback_stand_for_both_names() -> None:
    assert allowed_origins(["http://localhost:8080", "https://Chat.example"]) == {
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "https://chat.example",
    }
    assert origin_of([(b"host", b"x")]) is None
    assert origin_of([(b"origin", b"http://a"), (b"origin", b"http://b")]) == "http://a,http://b"


def test_back_off_grows_to_a_bound_and_is_not_in_step() -> None:
    random.seed(1)
    waits = [[backoff(attempt) for _ in range(50)] for attempt in range(1, 40)]
    assert max(waits[0]) < 0.2
    assert all(0 < wait <= LONGEST_SECONDS for row in waits for wait in row)
    assert len(set(waits[-1])) > 40


@pytest.mark.parametrize(
    ("bind", "arguments"),
    [
        ("unix:/run/x.sock", {"uds": "/run/x.sock"}),
        ("127.0.0.1:8001", {"host": "127.0.0.1", "port": 8001}),
        ("[::1]:80", {"host": "::1", "port": 80}),
    ],
)
def test_the_address_to_bind(bind: str, arguments: dict[str, object]) -> None:
    assert bind_arguments(bind) == arguments


@pytest.mark.parametrize("bind", ["", "8001", "host:", "host:port", "host:99999"])
def test_an_address_that_cannot_be_bound_is_refused(bind: str) -> None:
    with pytest.raises(ValueError, match="neither unix:/path nor host:port"):
        bind_arguments(bind)


async def test_a_pool_that_was_closed_is_not_opened_anew_for_last_words(committed: None) -> None:
    assert await pool.fetch("SELECT 1") == [(1,)]
    await pool.close_pool()
    with pytest.raises(psycopg.OperationalError):
        await pool.execute("SELECT 1")
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in tasks if "realtime" in task.get_name()]


async def test_what_waits_goes_out_together_as_soon_as_the_last_send_returned() -> None:
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def send(batch: list[int]) -> None:
        batches.append(batch)
        await gate.wait()

    flush: AsyncFlusher[int] = AsyncFlusher("numbers", send)
    flush.put(1)
    await asyncio.sleep(0)
    for number in range(2, 6):
        flush.put(number)
    gate.set()
    await flush.close()
    assert batches == [[1], [2, 3, 4, 5]]


async def test_a_flusher_with_a_gap_lets_others_gather_where_several_went_together() -> None:
    sent: list[tuple[float, list[int]]] = []
    loop = asyncio.get_running_loop()

    async def send(batch: list[int]) -> None:
        sent.append((loop.time(), batch))

    flush: AsyncFlusher[int] = AsyncFlusher("numbers", send, 1.0)
    begun = loop.time()
    # One talker, who waits for each to arrive, waits for nothing else.
    for number in range(3):
        flush.put(number)
        await asyncio.sleep(0.01)
    flush.put(3)
    flush.put(4)
    for number in range(5, 8):
        await asyncio.sleep(0.01)
        flush.put(number)
    await flush.close()
    assert [batch for _, batch in sent] == [[0], [1], [2], [3, 4], [5, 6, 7]]
    assert sent[3][0] - begun < 0.9
    assert sent[4][0] - sent[3][0] > 0.99


async def test_a_batch_is_sent_again_while_the_database_is_away_and_a_poisoned_one_dropped() -> (
    None
):
    sent: list[list[str]] = []
    failures = iter(
        [
            psycopg.OperationalError("away"),
            psycopg.errors.ReadOnlySqlTransaction("full, say"),
            TimeoutError(),
            None,
            psycopg.DataError("no"),
        ]
    )

    async def send(batch: list[str]) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        sent.append(batch)

    flush: AsyncFlusher[str] = AsyncFlusher("words", send)
    flush.put("kept")
    await flush.close()
    flush.put("poison")
    await flush.close()
    flush.put("next")
    await flush.close()
    assert sent == [["kept"], ["next"]]


async def test_a_flusher_holds_a_bounded_number_newest_kept() -> None:
    sent: list[int] = []
    gate = asyncio.Event()

    async def send(batch: list[int]) -> None:
        await gate.wait()
        sent.extend(batch)

    flush: AsyncFlusher[int] = AsyncFlusher("numbers", send)
    for number in range(flusher.CAPACITY + 100):
        flush.put(number)
    gate.set()
    await flush.close()
    assert sent == list(range(100, flusher.CAPACITY + 100))


def test_the_hint_thread_starts_anew_after_a_fork() -> None:
    thread = HintThread()
    thread.put(Hint(1, 1, 0, ""))
    until(lambda: not thread._backlog.items, "the parent's hint is taken")
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            thread.put(Hint(1, 2, 0, ""))
            alive = thread._thread is not None and thread._thread.is_alive()
            thread.close()
            os.write(write, b"ok" if alive and not thread._backlog.items else b"no")
        finally:
            os._exit(0)
    os.wait()
    assert os.read(read, 2) == b"ok"
    os.close(read)
    os.close(write)
    thread.close()
    assert query("SELECT 1") == [(1,)]
