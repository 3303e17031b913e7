"""What is stored, as the API's history tells it to a member, page by page."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from ledger.books import Books, Reader, Sent
from ledger.people import Person
from ledger.truth import Query, at_hand, by_http
from ledger.verdict import judge

ROOM = "room"
NOON = 1_767_268_800.0


class Member:
    """Somebody who reads a history of these, two a page at most."""

    def __init__(self, *seqs: int) -> None:
        self.seqs = seqs

    async def persist(self, method: str, path: str) -> Any:
        after = int(parse_qs(urlsplit(path).query)["after"][0])
        left = [seq for seq in self.seqs if seq > after]
        return {"messages": [message(seq) for seq in left[:2]], "has_more": len(left) > 2}


def message(seq: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "id": 100 + seq,
        "client_id": f"id-{seq}",
        "message": f"message {seq}",
        "create_date": "2026-01-01T12:00:00Z",
    }


def found(*stored: int) -> dict[str, int]:
    """Violations where three were acknowledged and seen, and the history holds these."""
    truth = asyncio.run(by_http(cast(Person, Member(*stored)), [ROOM]))
    seer = Reader("member", ROOM)
    seer.begin(0)
    seer.ready(0, "first")
    books = Books(readers=[seer])
    for seq in (1, 2, 3):
        seer.message(seq, 100 + seq, NOON)
        made = Sent(ROOM, f"id-{seq}", f"message {seq}", "http", NOON, NOON, seq, 100 + seq, 1)
        books.sent.append(made)
    kinds = judge(truth, books).kinds
    return {kind: faults.count for kind, faults in kinds.items() if faults.count}


def test_every_page_is_read_once() -> None:
    rows = asyncio.run(by_http(cast(Person, Member(1, 2, 3, 4, 5)), [ROOM]))[ROOM]
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert {row.at for row in rows} == {NOON}


def test_a_whole_history_is_clean() -> None:
    assert found(1, 2, 3) == {}


def test_acknowledged_but_not_in_the_history() -> None:
    # Acknowledged, and seen by the member.
    assert found(1, 2) == {"lost": 2}


def test_a_gap_in_the_history() -> None:
    assert found(1, 3) == {"gaps": 1, "lost": 1}


def test_in_the_history_but_not_seen() -> None:
    assert found(1, 2, 3, 4) == {"unseen": 1}


def source(query: Query | None) -> str:
    """Stands in for a judgement: what it was given to read."""
    return "api" if query is None else query("SQL")


def test_the_database_is_the_truth_where_it_is_reached() -> None:
    assert at_hand(source, "echo 'psql said'") == "psql said SQL\n"


@pytest.mark.parametrize("psql", [None, "false", "/nowhere/psql"])
def test_the_api_is_where_it_is_not(psql: str | None) -> None:
    assert at_hand(source, psql) == "api"
