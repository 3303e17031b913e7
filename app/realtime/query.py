"""What a chat socket's query string asks for."""

from typing import NamedTuple
from urllib.parse import parse_qs

# More digits than any bigint: a number so large lies beyond the end of every table anyway, and
# Python refuses to read numbers of thousands of digits.
MAX_DIGITS = 19


class ChatQuery(NamedTuple):
    """`after`: the last `seq` the client holds; `epoch`: of which history."""

    after: int | None
    epoch: str | None


def read_query(query_string: bytes) -> ChatQuery | None:
    """Return the query, or None when `after` is no whole number of zero or more."""
    fields = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    epoch = fields.get("epoch", [None])[-1] or None
    after = fields.get("after", [None])[-1]
    if after is None:
        return ChatQuery(None, epoch)
    if not (after.isascii() and after.isdigit()):
        return None
    digits = after.lstrip("0") or "0"
    return ChatQuery(int(digits[: MAX_DIGITS + 1]), epoch)
