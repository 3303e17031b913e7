"""The judgement: the clients' books against the table. Pure, so that every fault can be made up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.books import Books, Faults, Reader

# Each kind, and what it means to a reader of the table.
KINDS = {
    "lost": "acknowledged but not stored",
    "unseen": "stored but not seen by a member",
    "doubled": "seen or stored twice",
    "disorder": "out of order, or skipped on a connection",
    "gaps": "gaps in seq",
    "leaked": "seen by a non-member",
    "refused": "a member's message refused, or answered in two ways",
    "unanswered": "never acknowledged, although tried to the end",
    "away": "members without a socket at the end",
    "broken": "clients of the ledger that ended by an error",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A message as the table has it."""

    seq: int
    id: int
    client_id: str | None
    text: str
    at: float  # when it was committed


Truth = Mapping[str, Sequence[Row]]


@dataclass
class Verdict:
    """Violations by kind; empty ones are there too."""

    kinds: dict[str, Faults] = field(
        default_factory=lambda: {kind: Faults() for kind in KINDS},
    )

    @property
    def clean(self) -> bool:
        return not any(faults.count for faults in self.kinds.values())

    def json(self) -> dict[str, Any]:
        counts: dict[str, Any] = {kind: faults.count for kind, faults in self.kinds.items()}
        counts["examples"] = [
            f"{kind}: {example}"
            for kind, faults in self.kinds.items()
            for example in faults.examples
        ]
        return counts


def judge(truth: Truth, books: Books) -> Verdict:
    """Compare what was written down with what is stored."""
    verdict = Verdict()
    _numbers(truth, verdict)
    _acknowledged(truth, books, verdict)
    _streams(books, verdict)
    _members(truth, books, verdict)
    _others(truth, books, verdict)
    verdict.kinds["refused"] = books.refused
    verdict.kinds["broken"] = books.broken
    return verdict


def _numbers(truth: Truth, verdict: Verdict) -> None:
    for uri, rows in truth.items():
        expected = 1
        for row in rows:
            if row.seq != expected:
                verdict.kinds["gaps"].add(f"{uri[:6]}: {row.seq} follows {expected - 1}")
            expected = row.seq + 1
        for token, count in Counter(row.text for row in rows).items():
            if count > 1:
                verdict.kinds["doubled"].add(f"{uri[:6]}: {token!r} is stored {count} times")


def _acknowledged(truth: Truth, books: Books, verdict: Verdict) -> None:
    stored = {uri: {row.client_id: row for row in rows} for uri, rows in truth.items()}
    for sent in books.sent:
        if sent.acked is None:
            verdict.kinds["unanswered"].add(f"{sent.text} over {sent.over}, {sent.tries} tries")
            continue
        if books.is_void(sent.acked):
            continue
        row = stored.get(sent.room, {}).get(sent.client_id)
        if row is None:
            verdict.kinds["lost"].add(f"{sent.text} over {sent.over}, acknowledged as {sent.seq}")
        elif (row.seq, row.id) != (sent.seq, sent.id):
            verdict.kinds["lost"].add(
                f"{sent.text}: acknowledged as {sent.seq} (id {sent.id}),"
                f" stored as {row.seq} (id {row.id})"
            )


def _streams(books: Books, verdict: Verdict) -> None:
    for reader in books.readers:
        for kind, faults in (("doubled", reader.doubled), ("disorder", reader.disorder)):
            if faults.count:
                verdict.kinds[kind].count += faults.count - len(faults.examples)
                for example in faults.examples:
                    verdict.kinds[kind].add(example)


def _members(truth: Truth, books: Books, verdict: Verdict) -> None:
    for reader in _of(books, "member"):
        if not reader.connected:
            verdict.kinds["away"].add(f"{reader}: {dict(reader.refusals) or 'not back'}")
        missed = []
        for row in truth[reader.room]:
            if not reader.seen_at(row.seq):
                missed.append(row.seq)
            elif reader.id_at(row.seq) != row.id:
                verdict.kinds["disorder"].add(
                    f"{reader}: seq {row.seq} was message {reader.id_at(row.seq)},"
                    f" stored is {row.id}"
                )
        if missed:
            verdict.kinds["unseen"].add(f"{reader}: {_spans(missed)}", len(missed))
        end = truth[reader.room][-1].seq if truth[reader.room] else 0
        beyond = range(end + 1, len(reader.times))
        if ghosts := [seq for seq in beyond if reader.seen_at(seq)]:
            verdict.kinds["lost"].add(f"{reader}: saw {_spans(ghosts)}, never stored", len(ghosts))


def _others(truth: Truth, books: Books, verdict: Verdict) -> None:
    for reader in _of(books, "outsider"):
        if seen := [seq for seq in range(len(reader.times)) if reader.seen_at(seq)]:
            verdict.kinds["leaked"].add(f"{reader}: outsider saw {_spans(seen)}", len(seen))
    for reader in _of(books, "removed"):
        if not reader.removal_asked:
            continue
        if reader.removed_at is None:
            verdict.kinds["unanswered"].add(f"{reader}: its removal, although tried to the end")
            continue
        # Whoever wanted to send when the removal had been answered was stored behind it. No clock
        # but the ledger's is asked, and nothing is forgiven.
        behind = {
            sent.client_id
            for sent in books.sent
            if sent.room == reader.room and sent.wanted > reader.removed_at
        }
        rows = [row for row in truth[reader.room] if row.client_id in behind]
        if leaked := [row.seq for row in rows if reader.seen_at(row.seq)]:
            verdict.kinds["leaked"].add(f"{reader}: saw {_spans(leaked)} after", len(leaked))
        if reader.connected:
            verdict.kinds["leaked"].add(f"{reader}: removed, and its socket is open")


def _of(books: Books, kind: str) -> list[Reader]:
    return [reader for reader in books.readers if reader.kind == kind]


def _spans(seqs: list[int]) -> str:
    """1-3, 7, 9-10"""
    spans: dict[int, list[int]] = defaultdict(list)
    for place, seq in enumerate(seqs):
        spans[seq - place].append(seq)
    parts = [f"{span[0]}-{span[-1]}" if span[1:] else str(span[0]) for span in spans.values()]
    return ", ".join(parts[:4]) + (", …" if parts[4:] else "")
