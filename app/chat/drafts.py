"""What a client wants to send, held against the rules, which are the same on HTTP and WebSocket."""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple

# docs/protocol.md: over 2000 code points is refused. Python's len() counts code points.
MAX_TEXT_LENGTH = 2000

# Canonical, or without the hyphens as some libraries print it; in either case of letters.
# uuid.UUID alone would take braces, URNs and underscores as well.
UUID_PATTERN = re.compile(
    r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}"
)

# The largest value of a bigint column. Anything beyond would fail inside the database.
MAX_SEQ = 2**63 - 1


class Refused(ValueError):
    """A field of a client's input breaks a rule; says which, how, and what is expected."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail


class Draft(NamedTuple):
    """A message that may be stored."""

    text: str
    client_id: uuid.UUID | None


def check_draft(text: object, client_id: object) -> Draft:
    """Both fields of a message as they came from JSON; raises Refused."""
    return Draft(check_text(text), check_client_id(client_id))


def check_text(value: object) -> str:
    """The message itself, white space around it kept; raises Refused."""
    if not isinstance(value, str):
        raise Refused("message", "invalid", "Not a string.")
    if len(value) > MAX_TEXT_LENGTH:
        raise Refused(
            "message",
            "max_length",
            f"Has {len(value)} characters; at most {MAX_TEXT_LENGTH} are allowed.",
        )
    if not is_storable(value):
        raise Refused("message", "invalid", "Holds a NUL or half of a surrogate pair.")
    if not value.strip():
        raise Refused("message", "blank", "Is empty or only white space.")
    return value


def check_client_id(value: object) -> uuid.UUID | None:
    """The sender's own id of the message, or None where none was sent; raises Refused."""
    if value is None:
        return None
    if isinstance(value, str) and UUID_PATTERN.fullmatch(value):
        return uuid.UUID(value)
    raise Refused("client_id", "invalid", "Not a UUID.")


def check_seq(value: object) -> int:
    """A `seq` that came from JSON; raises Refused."""
    # bool is a kind of int to Python, and not to JSON.
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("seq", "invalid", "Not a whole number.")
    if not 0 <= value <= MAX_SEQ:
        raise Refused("seq", "out_of_range", f"Expected a number from 0 to {MAX_SEQ}.")
    return value


def is_storable(value: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL, and nothing that is not UTF-8."""
    if "\x00" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
