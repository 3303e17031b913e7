"""How the views become OpenAPI: the views say what is theirs, this adds what holds for all."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ops import refusals

# For a view that names one of the refusals: what it looks like is filled in below.
PROBLEM = OpenApiResponse({"type": "object"})


class ChatireSchema(AutoSchema):
    """The schema of one view, with every refusal that its kind of call can meet."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        named = [status for status in responses if status in refusals.DESCRIPTIONS]
        for status in [*named, *_refusals(operation)]:
            responses[status] = refusals.response(status)
        operation["responses"] = dict(sorted(responses.items()))
        return operation


def _refusals(operation: dict[str, Any]) -> list[str]:
    parameters = operation.get("parameters", [])
    found = ["429", "503"]
    if "requestBody" in operation or any(p["in"] == "query" for p in parameters):
        found.append("400")
    if "requestBody" in operation:
        found += ["413", "415"]
    if any(operation.get("security", [])):
        found.append("401")
    if any(p["in"] == "path" for p in parameters):
        found += ["403", "404"]
    return found


class SchemaView(APIView):
    """The schema itself, to everyone."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(_schema())


@cache
def _schema() -> dict[str, Any]:
    """Made once a process: it takes a tenth of a second, and depends on the code alone."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    schema: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return schema
