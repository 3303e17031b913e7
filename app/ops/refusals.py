"""The shapes of a refusal, for the schema."""

from __future__ import annotations

from typing import Any

SCHEMAS: dict[str, dict[str, Any]] = {
    # Every refusal that is not about one field; also 404 for an unknown address, 405 for a wrong
    # method, and those of nginx.
    "Problem": {
        "type": "object",
        "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
        "required": ["detail", "code"],
    },
    # DRF's field errors: the field's name, and what is wrong with it.
    "FieldErrors": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    },
}

DESCRIPTIONS = {
    "400": "Bad input: what is wrong with which field, or with the whole.",
    "401": "Not signed in, or not any more.",
    "403": "Not allowed.",
    "404": "No such chat or user.",
    "413": "The body is too large.",
    "415": "The body is neither JSON nor form data.",
    "429": "Too fast; answered by nginx.",
    "503": "The database or this tier is away for a moment; nothing was changed.",
}

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer"},
    }
}


def response(status: str) -> dict[str, Any]:
    """One refusal as OpenAPI has it."""
    problem = {"$ref": "#/components/schemas/Problem"}
    field_errors = {"$ref": "#/components/schemas/FieldErrors"}
    schema = {"anyOf": [problem, field_errors]} if status == "400" else problem
    answer: dict[str, Any] = {
        "description": DESCRIPTIONS[status],
        "content": {"application/json": {"schema": schema}},
    }
    if status in ("429", "503"):
        answer["headers"] = RETRY_AFTER
    return answer
