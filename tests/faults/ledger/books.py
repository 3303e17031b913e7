"""What the clients wrote down. Pure records and arithmetic: no network, no clock of its own.

All times are seconds since 1970, as of the machine that the ledger runs on.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["member", "removed", "outsider"]

# So many examples of each kind of violation are kept; the count is exact.
EXAMPLES = 5


@dataclass
class Cut:
    """A socket that ended, as its client saw it."""

    at: float
    code: int  # 1006 where no close frame came
    back: float | None = None  # when the next one was ready


@dataclass
class Faults:
    """Violations of one kind."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str, count: int = 1) -> None:
        self.count += count
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


class Reader:
    """What one client with a socket saw of one room, and when.

    A connection is a promise: everything from `after` on, once each, in order, without a gap.
    That is checked as frames come; what was seen in all is compared with the table at the end.
    """

    def __init__(self, name: str, room: str, kind: Kind = "member") -> None:
        self.name = name
        self.room = room
        self.kind: Kind = kind
        self.epoch: str | None = None
        self.last = 0  # the highest seq seen: what to resume with
        self.times = array("d", [0.0])  # by seq; 0 is not seen
        self.ids = array("q", [0])
        self.doubled = Faults()
        self.disorder = Faults()
        self.cuts: list[Cut] = []
        self.resets = 0
        self.connected = False
        self.removal_asked = False
        # From then on it is no member any more.
        self.removed_at: float | None = None
        # Closed or refused as a non-member, by code or status; for a member that is a fault.
        self.refusals: Counter[int] = Counter()

    def begin(self, after: int | None) -> None:
        """A connection opens with this `after`."""
        self._next = None if after is None else after + 1

    def message(self, seq: int, identity: int, at: float) -> None:
        """A message frame came."""
        expected = self._next
        if expected is not None and seq != expected:
            if seq < expected:
                what = self.doubled if self._seen(seq) else self.disorder
                what.add(f"{self}: seq {seq} after {expected - 1} on one connection")
                return
            self.disorder.add(f"{self}: seq {seq} where {expected} was due")
        self._next = seq + 1
        self._note(seq, identity, at)
        self.last = max(self.last, seq)

    def ready(self, seq: int, epoch: str) -> None:
        """Everything up to `seq` has been sent."""
        if self._next is not None and self._next <= seq:
            self.disorder.add(f"{self}: ready at {seq}, but {self._next} to {seq} never came")
        self._next = seq + 1
        self.last = max(self.last, seq)
        self.epoch = epoch
        self._back()

    def reset(self, seq: int, epoch: str) -> None:
        """What is held is from another history, or too far back: drop it, live from after `seq`."""
        if epoch != self.epoch:
            self.times, self.ids = array("d", [0.0]), array("q", [0])
        self.resets += 1
        self.epoch, self.last, self._next = epoch, seq, seq + 1
        self._back()

    def page(self, rows: list[tuple[int, int]], at: float) -> None:
        """Messages (seq, id) that came over HTTP after a reset."""
        for seq, identity in rows:
            if not self._seen(seq):
                self._note(seq, identity, at)

    def cut(self, at: float, code: int) -> None:
        """The connection ended, or one that was wanted could not be made."""
        self.connected = False
        if not self.cuts or self.cuts[-1].back is not None:
            self.cuts.append(Cut(at, code))

    def came_back(self, at: float) -> None:
        """A connection is ready again."""
        if self.cuts and self.cuts[-1].back is None:
            self.cuts[-1].back = at

    def removed(self, at: float) -> None:
        """It was removed; asking for it again, as each fault of a run does, postpones nothing."""
        if self.removed_at is None:
            self.removed_at = at

    def seen_at(self, seq: int) -> float:
        """When a message was first seen; 0 if never."""
        return self.times[seq] if seq < len(self.times) else 0.0

    def id_at(self, seq: int) -> int:
        return self.ids[seq] if seq < len(self.ids) else 0

    def _back(self) -> None:
        self.connected = True

    def _seen(self, seq: int) -> bool:
        return self.seen_at(seq) > 0

    def _note(self, seq: int, identity: int, at: float) -> None:
        missing = seq + 1 - len(self.times)
        if missing > 0:
            self.times.extend([0.0] * missing)
            self.ids.extend([0] * missing)
        if self.times[seq] == 0.0:
            self.times[seq] = at
            self.ids[seq] = identity

    def __str__(self) -> str:
        return f"{self.name} in {self.room[:6]}"


@dataclass(slots=True)
class Sent:
    """One message that somebody wanted to send."""

    room: str
    client_id: str
    text: str
    over: Literal["http", "ws"]
    wanted: float
    acked: float | None = None
    seq: int = 0
    id: int = 0
    tries: int = 0


@dataclass
class Books:
    """Everything written down in one run."""

    readers: list[Reader] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    # Tries that failed and were repeated, by what was answered: normal under a fault.
    retried: Counter[str] = field(default_factory=Counter)
    # Definite refusals of a member's message, and answers that contradict an earlier one.
    refused: Faults = field(default_factory=Faults)
    # Clients of the ledger itself that ended by an error: what they were to see was not looked at.
    broken: Faults = field(default_factory=Faults)
    # Acknowledgements within these are void: a backup from before them was restored.
    voided: list[tuple[float, float]] = field(default_factory=list)

    def void(self, since: float, until: float) -> None:
        """What was acknowledged in this span went away with a history that was given up."""
        self.voided.append((since, until))

    def is_void(self, at: float) -> bool:
        return any(since <= at <= until for since, until in self.voided)
