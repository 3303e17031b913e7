"""Every error answer of the http tier: `{"detail", "code"}` or DRF's field errors, as JSON."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from chat.permissions import Forbidden, NoSuchChat

# What a client is told to wait when the database is away: a restart takes a few seconds.
RETRY_AFTER_SECONDS = 5


def problem(status: int, detail: str, code: str, **headers: str) -> JsonResponse:
    """An error answer from outside DRF."""
    return JsonResponse({"detail": detail, "code": code}, status=status, headers=headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler, with `code` beside every `detail` and the chat's own refusals translated."""
    if isinstance(error, NoSuchChat):
        error = exceptions.NotFound(error.detail, error.code)
    elif isinstance(error, Forbidden):
        error = exceptions.PermissionDenied(error.detail, error.code)
    elif isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, SuspiciousOperation):
        # Too many form fields and the like.
        error = exceptions.ParseError(str(error))
    elif isinstance(error, UnreadablePostError):
        # The client went away in the middle of its body.
        error = exceptions.ParseError("The body ended early.")
    response = drf_exception_handler(error, context)
    if (
        response is not None
        and isinstance(error, exceptions.APIException)
        and isinstance(response.data, dict)
        and "detail" in response.data
    ):
        response.data.setdefault("code", error.get_codes())
    return response


def unavailable() -> JsonResponse:
    """The database cannot be reached; nothing was changed, and coming back is worth it."""
    return problem(
        503,
        "The database cannot be reached at the moment.",
        "unavailable",
        **{"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    return problem(400, "The request is malformed.", "bad_request")


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    return problem(403, "This is not allowed.", "permission_denied")


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return problem(404, "There is nothing at this address.", "not_found")


def server_error(request: HttpRequest) -> JsonResponse:
    return problem(500, "Something went wrong on the server.", "error")
