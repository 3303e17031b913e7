"""Input fields of the chat's calls; the rules themselves are in chat/drafts.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from chat.drafts import (
    MAX_SEQ,
    MAX_TEXT_LENGTH,
    Refused,
    check_client_id,
    check_seq,
    check_text,
)

# What a number in a form or a query looks like. int() alone would take underscores, white space
# and the digits of every script; and more digits than this are out of any range.
INTEGER_PATTERN = re.compile(r"-?[0-9]{1,40}")


class _RuleField(serializers.Field[Any, Any, Any, Any]):
    """A field that is held against a rule of chat/drafts.py."""

    rule: Callable[[object], object]

    def to_internal_value(self, data: Any) -> Any:
        try:
            return type(self).rule(data)
        except Refused as refusal:
            raise serializers.ValidationError(refusal.detail, refusal.code) from refusal

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT_LENGTH,
        "pattern": r"\S",
        "description": "Neither NUL nor half a surrogate pair; white space around it is kept.",
    }
)
class MessageField(_RuleField):
    rule = staticmethod(check_text)


@extend_schema_field({"type": "string", "format": "uuid", "nullable": True})
class ClientIdField(_RuleField):
    rule = staticmethod(check_client_id)


@extend_schema_field({"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_SEQ})
class SeqField(_RuleField):
    """A `seq`: a number in JSON, digits in a form."""

    rule = staticmethod(check_seq)

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        if value is not empty and html.is_html_input(dictionary):
            return integer(value)
        return value


def integer(text: object) -> object:
    """The number that digits in a form or a query mean; anything else as it came."""
    if isinstance(text, str) and INTEGER_PATTERN.fullmatch(text):
        return int(text)
    return text
