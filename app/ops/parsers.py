"""Request bodies, read so that no body can raise anything but a 400."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn
from urllib.parse import unquote_to_bytes

from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it: UTF-8 whatever the charset parameter says, no NaN or Infinity.

    DRF's own lets a client name any Python codec, and falls over deep nesting.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return strict_json(stream.read())


class StrictFormParser(BaseParser):
    """A form as `curl --data` sends it, in UTF-8 whatever the charset parameter says.

    DRF's own puts U+FFFD where bytes are no UTF-8, so that half a surrogate pair would be stored
    as something that nobody wrote.
    """

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> QueryDict:
        body = stream.read()
        try:
            unquote_to_bytes(body).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(f"Form parse error - {error}") from error
        return QueryDict(body, encoding="utf-8")


def strict_json(body: bytes) -> Any:
    """What a body says; raises ParseError."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ParseError(f"JSON parse error - {reason}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
