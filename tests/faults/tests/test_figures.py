"""What a percentile is, and which times count."""

from __future__ import annotations

import pytest

from ledger.books import Books, Cut, Kind, Reader, Sent
from ledger.figures import Span, Spread, measure
from ledger.verdict import Row

ROOM = "room"
# The fault is on at 100, over at 110, and all is whole at 112.
SPAN = Span(100.0, 110.0, 112.0)


def test_the_95th_percentile_of_twenty_is_the_most() -> None:
    assert Spread.of([float(number) for number in range(20)]).p95 == 19


def test_of_a_hundred_it_is_the_one_that_five_reach() -> None:
    assert Spread.of([float(number) for number in range(100, 0, -1)]).p95 == 96


def test_of_one_it_is_that_one() -> None:
    assert Spread.of([3.0]) == Spread(1, 3.0, 3.0, 3.0)


def reader(seen: dict[int, float], kind: Kind = "member") -> Reader:
    """Somebody who saw these messages, by seq, at these times."""
    made = Reader(kind, ROOM, kind)
    made.begin(None)
    for seq, at in seen.items():
        made.message(seq, 100 + seq, at)
    return made


def truth(**committed: float) -> dict[str, list[Row]]:
    """Messages `m1`, `m2`, … with when they were committed."""
    return {ROOM: [Row(int(m[1:]), 100 + int(m[1:]), m, m, at) for m, at in committed.items()]}


def values(spread: Spread) -> tuple[object, ...]:
    return spread.count, pytest.approx(spread.p50), pytest.approx(spread.most)


def test_sight_is_from_commit_to_each_member_who_saw_it() -> None:
    books = Books(
        readers=[reader({1: 10.5, 2: 20.25}), reader({1: 11.0}), reader({1: 99}, "outsider")]
    )
    assert values(measure(truth(m1=10.0, m2=20.0), books, None).sight) == (3, 0.5, 1.0)


def test_sight_by_two_clocks_is_never_less_than_nothing() -> None:
    assert measure(truth(m1=10.0), Books(readers=[reader({1: 9.9})]), None).sight.most == 0


def test_without_a_fault_nothing_is_around_it() -> None:
    figures = measure(truth(m1=10.0), Books(readers=[reader({1: 10.5})]), None)
    assert (figures.fault_sight.count, figures.notice.count) == (0, 0)


def test_around_the_fault_is_from_a_second_before_it_until_all_is_whole() -> None:
    seen = {1: 101.0, 2: 113.0, 3: 113.0, 4: 114.0}
    rows = truth(m1=98.9, m2=99.0, m3=112.0, m4=112.1)
    figures = measure(rows, Books(readers=[reader(seen)]), SPAN)
    # What was committed while the fault lasted counts from its end.
    assert values(figures.fault_sight) == (2, 1.0, 3.0)
    assert figures.sight.count == 4


def test_what_was_seen_before_the_fault_is_not_around_it() -> None:
    books = Books(readers=[reader({1: 99.8, 2: 111.0})])
    assert measure(truth(m1=99.5, m2=105.0), books, SPAN).fault_sight.count == 1


def test_what_was_seen_while_the_fault_lasted_waited_for_nothing() -> None:
    figures = measure(truth(m1=105.0), Books(readers=[reader({1: 107.0})]), SPAN)
    assert (figures.fault_sight.count, figures.fault_sight.most) == (1, 0.0)
    assert figures.sight.most == 2.0


def test_a_fault_that_cut_somebody_is_measured_at_those_alone() -> None:
    hit, spared = reader({1: 115.0}), reader({1: 111.5})
    hit.cuts.append(Cut(101.0, 1006, 103.0))
    figures = measure(truth(m1=111.0), Books(readers=[hit, spared]), SPAN)
    assert values(figures.fault_sight) == (1, 4.0, 4.0)
    assert figures.sight.count == 2


def test_a_cut_before_the_fault_concerns_nobody() -> None:
    early, spared = reader({1: 112.0}), reader({1: 111.5})
    early.cuts.append(Cut(50.0, 1006, 51.0))
    figures = measure(truth(m1=111.0), Books(readers=[early, spared]), SPAN)
    assert figures.fault_sight.count == 2
    assert figures.notice.count == 0


def test_away_is_until_the_next_socket_and_notice_from_the_fault_on() -> None:
    member = reader({})
    member.cuts += [Cut(50.0, 1006, 52.0), Cut(101.5, 1006, 105.5), Cut(111.0, 1006)]
    figures = measure({ROOM: []}, Books(readers=[member]), SPAN)
    # The last one is not back: the verdict has that, and no time.
    assert values(figures.away) == (2, 2.0, 4.0)
    assert values(figures.notice) == (2, 1.5, 11.0)


def test_a_post_takes_from_the_wish_to_the_acknowledgement() -> None:
    sent = [Sent(ROOM, "a", "a", "http", 1.0, 3.5), Sent(ROOM, "b", "b", "ws", 1.0)]
    assert values(measure({ROOM: []}, Books(sent=sent), None).acked) == (1, 2.5, 2.5)
