"""The refresh token as a cookie: no script can read it, and no foreign page can use it."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.settings import api_settings


def from_request(request: Request) -> str | None:
    """The refresh token that came as a cookie.

    Raises PermissionDenied when the request comes from a foreign page. SameSite=Strict keeps the
    cookie off requests of other sites; another port or subdomain of the same site is not another
    site, so the Origin is looked at as well.
    """
    token = request.COOKIES.get(settings.REFRESH_COOKIE_NAME)
    if token:
        require_own_origin(request)
    return token or None


def require_own_origin(request: Request) -> None:
    """Raises PermissionDenied for a foreign Origin; where none is sent, there is no page."""
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    if urlsplit(request.build_absolute_uri("/"))[:2] == _scheme_and_host(origin):
        return
    raise PermissionDenied("The cookie may be used by this chat's own page only.", "foreign_origin")


def put(response: Response, token: str) -> None:
    response.set_cookie(
        settings.REFRESH_COOKIE_NAME,
        token,
        max_age=api_settings.REFRESH_TOKEN_LIFETIME,
        path=settings.REFRESH_COOKIE_PATH,
        secure=settings.REFRESH_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def remove(response: Response) -> None:
    response.delete_cookie(
        settings.REFRESH_COOKIE_NAME, path=settings.REFRESH_COOKIE_PATH, samesite="Strict"
    )


def _scheme_and_host(origin: str) -> tuple[str, str] | None:
    try:
        scheme, host, *rest = urlsplit(origin)
    except ValueError:
        return None
    return None if any(rest) else (scheme, host)
