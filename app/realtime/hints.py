"""Hints: "look, this room has a new message", many in one NOTIFY.

A payload is lines of `<chat id> <seq> <departures> <frame or nothing>`. The frame is the very text
that sockets get; it is left out when it is too long, and the reader asks the table instead. JSON
text holds no raw line break, so a line break ends a hint.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

CHANNEL = "chatire_hints"
# PostgreSQL refuses a NOTIFY payload of 8000 bytes or more; the rest is margin.
MAX_PAYLOAD_BYTES = 7900


class Hint(NamedTuple):
    """One message's hint; `frame` is empty when the reader has to ask the table.

    `departures` is how many had left the chat when the message was stored: whoever has not heard
    of all of them must not hand the message on before it knows who is still a member.
    """

    chat_id: int
    seq: int
    departures: int
    frame: str


def pack(hints: Iterable[Hint]) -> list[str]:
    """Return NOTIFY payloads, each within the limit, that carry the hints in their order."""
    payloads: list[str] = []
    lines: list[str] = []
    size = 0
    for chat_id, seq, departures, frame in hints:
        line = f"{chat_id} {seq} {departures} {frame}"
        length = len(line.encode()) + 1
        if length > MAX_PAYLOAD_BYTES:
            line = f"{chat_id} {seq} {departures} "
            length = len(line) + 1
        if size + length > MAX_PAYLOAD_BYTES:
            payloads.append("\n".join(lines))
            lines, size = [], 0
        lines.append(line)
        size += length
    if lines:
        payloads.append("\n".join(lines))
    return payloads


def unpack(payload: str) -> Iterator[Hint]:
    """Yield the hints of a payload; a line that is none is passed over."""
    for line in payload.split("\n"):
        fields = line.split(" ", 3)
        if len(fields) != 4:
            continue
        chat_id, seq, departures, frame = fields
        if chat_id.isdecimal() and seq.isdecimal() and departures.isdecimal():
            yield Hint(int(chat_id), int(seq), int(departures), frame)
