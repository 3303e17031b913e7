"""The query parameters of the calls that answer in pages."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError

from chat.drafts import MAX_SEQ
from chat.fields import integer
from chat.overview import Position

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
LIMIT_PATTERN = re.compile(r"(-?)0*([0-9]+)")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LIMIT_PARAMETER = OpenApiParameter(
    "limit",
    {"type": "integer", "default": DEFAULT_LIMIT},
    description=f"Clamped to 1 to {MAX_LIMIT}.",
)
CURSOR_PARAMETER = OpenApiParameter(
    "cursor", {"type": "string"}, description="`next` of the page before."
)
_SEQ = {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_SEQ}
AFTER_PARAMETER = OpenApiParameter("after", _SEQ, description="Messages after this `seq`.")
BEFORE_PARAMETER = OpenApiParameter("before", _SEQ, description="Messages before this `seq`.")


class Window(NamedTuple):
    """Which messages are asked for; without `after` and `before` the newest."""

    after: int | None
    before: int | None
    limit: int


def limit_of(query: QueryDict) -> int:
    """?limit=, clamped; raises ValidationError for what is not a number."""
    if "limit" not in query:
        return DEFAULT_LIMIT
    if not (number := LIMIT_PATTERN.fullmatch(str(query["limit"]))):
        raise ValidationError({"limit": ["Not a whole number."]})
    sign, digits = number.groups()
    if sign:
        return 1
    # However many digits it has: Python reads some thousand at most.
    return min(max(int(digits), 1), MAX_LIMIT) if len(digits) <= len(str(MAX_LIMIT)) else MAX_LIMIT


def window_of(query: QueryDict) -> Window:
    """?after=, ?before= and ?limit=; raises ValidationError."""
    if "after" in query and "before" in query:
        raise ValidationError({"before": ["Not together with `after`."]})
    return Window(_seq_of(query, "after"), _seq_of(query, "before"), limit_of(query))


def cursor_of(query: QueryDict) -> Position | None:
    """?cursor=; raises ValidationError for one that this server did not make."""
    if "cursor" not in query:
        return None
    try:
        text = base64.b64decode(str(query["cursor"]).encode("ascii"), altchars=b"-_", validate=True)
        micros, chat_id = (int(part) for part in text.split(b"."))
        if not 0 <= chat_id <= MAX_SEQ:
            raise ValueError(chat_id)
        return Position(_EPOCH + timedelta(microseconds=micros), chat_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise ValidationError({"cursor": ["Not a cursor of this server."]}) from error


def cursor_text(position: Position) -> str:
    """What `cursor_of` reads. Whole microseconds: a float would lose some."""
    micros = (position.update_date - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{micros}.{position.chat_id}".encode()).decode()


def _seq_of(query: QueryDict, name: str) -> int | None:
    if name not in query:
        return None
    value = integer(query[name])
    if not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise ValidationError({name: [f"Expected a whole number from 0 to {MAX_SEQ}."]})
    return value
