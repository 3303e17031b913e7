"""How the views become OpenAPI: the views say what is theirs, this adds what holds for all."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

# `{"detail", "code"}`: every refusal that is not about one field.
PROBLEM_SCHEMA = {
    "type": "object",
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
    "required": ["detail", "code"],
}

# DRF's field errors: the field's name, and what is wrong with it.
FIELD_ERRORS_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
}

RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer"},
    }
}

PROBLEM = OpenApiResponse(PROBLEM_SCHEMA, description="Refused.")

_DESCRIPTIONS = {
    "400": "Bad input: what is wrong with which field, or with the whole.",
    "401": "Not signed in, or not any more.",
    "403": "Not allowed.",
    "404": "No such chat or user.",
    "413": "The body is too large.",
    "415": "The body is neither JSON nor form data.",
    "429": "Too fast; answered by nginx.",
    "503": "The database or this tier is away for a moment; nothing was changed.",
}


class ChatireSchema(AutoSchema):
    """The schema of one view, with every refusal that its kind of call can meet."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        for status in self._refusals(operation):
            responses.setdefault(status, {})
        for status, response in responses.items():
            if status in _DESCRIPTIONS and status >= "400":
                response["description"] = _DESCRIPTIONS[status]
                response["content"] = {"application/json": {"schema": _refusal_schema(status)}}
                if status in ("429", "503"):
                    response["headers"] = RETRY_AFTER
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _refusals(self, operation: dict[str, Any]) -> list[str]:
        parameters = operation.get("parameters", [])
        refusals = ["429", "503"]
        if "requestBody" in operation or any(p["in"] == "query" for p in parameters):
            refusals.append("400")
        if "requestBody" in operation:
            refusals += ["413", "415"]
        if any(operation.get("security", [])):
            refusals.append("401")
        if any(p["in"] == "path" for p in parameters):
            refusals += ["403", "404"]
        return refusals


def _refusal_schema(status: str) -> dict[str, Any]:
    if status == "400":
        return {"anyOf": [PROBLEM_SCHEMA, FIELD_ERRORS_SCHEMA]}
    return PROBLEM_SCHEMA
