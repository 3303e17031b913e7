"""What holds for every request, before any view."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from psycopg.errors import ReadOnlySqlTransaction

from ops.errors import problem, unavailable

logger = logging.getLogger(__name__)

# Where answers hold tokens, messages or names.
PERSONAL_PATHS = ("/api/", "/auth/")

# Where people sign in with a cookie; everybody else brings a token (accounts/authentication.py).
COOKIE_PATH = "/admin/"

View = Callable[[HttpRequest], HttpResponseBase]

# The longest legitimate body is a message of 2000 code points, each written as two \uXXXX
# escapes: 24,000 bytes. The same bound holds for a WebSocket frame.
MAX_BODY_BYTES = 64 * 1024


def body_limit(get_response: View) -> View:
    """Refuses a body that is larger than any this application has a use for."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if _content_length(request) > MAX_BODY_BYTES:
            return problem(
                413,
                f"A body may have at most {MAX_BODY_BYTES} bytes.",
                "request_too_large",
            )
        return get_response(request)

    return middleware


def no_store(get_response: View) -> View:
    """Keeps answers that are one person's out of every cache on the way."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith(PERSONAL_PATHS):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


class _ForCookies(MiddlewareMixin):
    """Passes by every request that no cookie session belongs to: a tenth of a post's time."""

    def __call__(self, request: HttpRequest) -> Any:
        if not request.path.startswith(COOKIE_PATH):
            return self.get_response(request)
        return super().__call__(request)


class CookieSession(_ForCookies, SessionMiddleware):
    """Django's, for the admin."""


class CookieUser(_ForCookies, AuthenticationMiddleware):
    """Django's, for the admin."""


class CookieMessages(_ForCookies, MessageMiddleware):
    """Django's, for the admin."""


class DatabaseAway:
    """Turns "the database is away" into 503 with Retry-After, in this one place."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not is_database_away(error):
            return None
        logger.error("database away: %s", error)
        return unavailable()


def is_database_away(error: BaseException) -> bool:
    """Whether coming back later can help: no connection, or one to a read-only standby."""
    if isinstance(error, InternalError):
        return isinstance(error.__cause__, ReadOnlySqlTransaction)
    return isinstance(error, OperationalError | InterfaceError)


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
