"""Every kind of violation, made up, is found; and a clean run is found clean."""

from __future__ import annotations

import pytest

from ledger.books import Books, Reader, Sent
from ledger.verdict import Row, Verdict, judge

ROOM = "room"
EPOCH = "first"
REMOVED_AT = 1_000.0


def row(seq: int, at: float | None = None) -> Row:
    return Row(
        seq, 100 + seq, f"id-{seq}", f"message {seq}", REMOVED_AT + seq if at is None else at
    )


def reader(kind: str, *seqs: int) -> Reader:
    """Somebody whose one connection brought these."""
    made = Reader(kind, ROOM, kind)  # type: ignore[arg-type]
    made.begin(0)
    made.ready(0, EPOCH)
    for seq in seqs:
        made.message(seq, 100 + seq, REMOVED_AT + seq + 0.1)
    return made


def sent(seq: int, **different: object) -> Sent:
    message = Sent(ROOM, f"id-{seq}", f"message {seq}", "http", 1.0)
    message.acked, message.seq, message.id, message.tries = 2.0, seq, 100 + seq, 1
    for name, value in different.items():
        setattr(message, name, value)
    return message


class Story:
    """A clean run of three messages, for a test to spoil."""

    def __init__(self) -> None:
        self.member = reader("member", 1, 2, 3)
        self.books = Books(readers=[self.member], sent=[sent(1), sent(2), sent(3)])
        self.rows = [row(1), row(2), row(3)]

    def judged(self) -> Verdict:
        return judge({ROOM: self.rows}, self.books)

    def found(self) -> dict[str, int]:
        kinds = self.judged().kinds
        return {kind: faults.count for kind, faults in kinds.items() if faults.count}


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_clean_run_is_clean(story: Story) -> None:
    assert story.judged().clean


def test_acknowledged_but_not_stored(story: Story) -> None:
    story.rows.pop()
    # The member has seen what is not there either.
    assert story.found() == {"lost": 2}


def test_acknowledged_as_something_else(story: Story) -> None:
    story.books.sent[1].seq = 9
    assert story.found() == {"lost": 1}


def test_an_acknowledgement_of_a_history_given_up_is_void(story: Story) -> None:
    story.books.sent.append(sent(4, acked=50.0))
    assert story.found() == {"lost": 1}
    story.books.void(49.0, 51.0)
    assert story.found() == {}


def test_stored_but_not_seen(story: Story) -> None:
    story.rows += [row(4), row(5)]
    assert story.found() == {"unseen": 2}


def test_stored_twice(story: Story) -> None:
    story.rows.append(Row(4, 104, "another", "message 3", 5.0))
    story.member.message(4, 104, 6.0)
    assert story.found() == {"doubled": 1}


def test_seen_twice_on_one_connection(story: Story) -> None:
    story.member.message(3, 103, 7.0)
    assert story.found() == {"doubled": 1}


def test_seen_twice_by_one_that_resumed(story: Story) -> None:
    story.member.begin(3)
    story.member.message(3, 103, 7.0)
    assert story.found() == {"doubled": 1}


def test_seen_again_by_one_that_asked_for_it_is_no_fault(story: Story) -> None:
    story.member.begin(1)
    story.member.message(2, 102, 7.0)
    story.member.message(3, 103, 7.0)
    assert story.found() == {}


def test_skipped_on_a_connection(story: Story) -> None:
    story.books.readers.append(reader("member", 1, 3))
    assert story.found() == {"disorder": 1, "unseen": 1}


def test_out_of_order(story: Story) -> None:
    story.books.readers.append(reader("member", 1, 3, 2))
    # 3 came before 2 was there, and 2 when it was due no more.
    assert story.found()["disorder"] == 2


def test_ready_before_all_was_sent(story: Story) -> None:
    story.member.begin(3)
    story.rows.append(row(4))
    story.member.ready(4, EPOCH)
    assert story.found() == {"disorder": 1, "unseen": 1}


def test_another_message_under_a_number(story: Story) -> None:
    story.rows[1] = Row(2, 999, "id-2", "message 2", 1.0)
    story.books.sent[1] = sent(2, id=999)
    assert story.found() == {"disorder": 1}


def test_a_gap_in_seq(story: Story) -> None:
    story.rows.append(row(5))
    story.member.begin(4)
    story.member.message(5, 105, 9.0)
    assert story.found() == {"gaps": 1}


def test_an_outsider_who_saw_a_message(story: Story) -> None:
    story.books.readers.append(reader("outsider", 2))
    assert story.found()["leaked"] == 1


def test_a_removed_member_who_went_on_seeing(story: Story) -> None:
    late = REMOVED_AT + 0.001
    story.rows.append(row(4, at=late))
    story.books.sent.append(sent(4, wanted=late, acked=late + 1))
    story.member.message(4, 104, late)
    removed = reader("removed", 1, 2, 3, 4)
    removed.removal_asked = True
    removed.connected = False
    removed.removed_at = REMOVED_AT
    story.books.readers.append(removed)
    assert story.found() == {"leaked": 1}


def test_a_removal_that_is_asked_for_again_excuses_nothing(story: Story) -> None:
    late = REMOVED_AT + 0.001
    story.rows.append(row(4, at=late))
    story.books.sent.append(sent(4, wanted=late, acked=late + 1))
    story.member.message(4, 104, late)
    removed = reader("removed", 1, 2, 3, 4)
    removed.removal_asked = True
    removed.connected = False
    removed.removed(REMOVED_AT)
    removed.removed(late + 1)
    story.books.readers.append(removed)
    assert story.found() == {"leaked": 1}


def test_a_removed_member_whose_socket_stays_open(story: Story) -> None:
    removed = reader("removed", 1)
    removed.removal_asked = True
    removed.removed_at = REMOVED_AT
    story.books.readers.append(removed)
    assert story.found() == {"leaked": 1}


def test_a_message_that_was_on_its_way_when_the_removal_was_answered(story: Story) -> None:
    """It may have been stored before; who was removed a moment later may have seen it."""
    story.rows.append(row(4))
    story.books.sent.append(sent(4, wanted=REMOVED_AT - 0.001, acked=REMOVED_AT + 1))
    story.member.message(4, 104, REMOVED_AT + 1)
    removed = reader("removed", 1, 2, 3, 4)
    removed.removal_asked = True
    removed.connected = False
    removed.removed_at = REMOVED_AT
    story.books.readers.append(removed)
    assert story.found() == {}


def test_a_removal_that_was_never_answered(story: Story) -> None:
    asked, not_asked = reader("removed", 1), reader("removed", 1)
    asked.removal_asked = True
    story.books.readers += [asked, not_asked]
    assert story.found() == {"unanswered": 1}


def test_a_message_that_was_never_answered(story: Story) -> None:
    story.books.sent.append(sent(4, acked=None))
    assert story.found() == {"unanswered": 1}


def test_a_member_who_did_not_come_back(story: Story) -> None:
    story.member.cut(9.0, 1006)
    assert story.found() == {"away": 1}


def test_a_refused_message(story: Story) -> None:
    story.books.refused.add("message 4 over http: 403")
    assert story.found() == {"refused": 1}


def test_after_a_reset_the_pages_over_http_count(story: Story) -> None:
    late = Reader("late", ROOM)
    late.begin(0)
    late.reset(3, EPOCH)
    story.books.readers.append(late)
    assert story.found() == {"unseen": 3}
    late.page([(1, 101), (2, 102), (3, 103)], 9.0)
    assert story.found() == {}


def test_after_a_reset_to_another_history_what_was_held_does_not_count(story: Story) -> None:
    story.member.begin(3)
    story.member.reset(3, "second")
    assert story.found() == {"unseen": 3}


def test_a_client_of_the_ledger_that_breaks_is_not_passed_over(story: Story) -> None:
    story.books.broken.add("client 1: AttributeError")
    assert story.found() == {"broken": 1}
