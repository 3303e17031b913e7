"""System checks: settings that would work, and would be wrong."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

# A host that no other machine reaches by this name.
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}


@register(Tags.security)
def check_signing_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Tokens have a key of their own, so that either can be changed without the other."""
    if settings.ENV.environment != "production":
        return []
    if settings.SIMPLE_JWT["SIGNING_KEY"] != settings.SECRET_KEY:
        return []
    return [
        Error(
            "Access tokens are signed with SECRET_KEY.",
            hint="Write another random text into the secret file jwt_signing_key.",
            id="ops.E001",
        )
    ]


@register(Tags.security)
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An access token that outlives its refresh token makes refreshing pointless."""
    jwt: dict[str, Any] = settings.SIMPLE_JWT
    if jwt["ACCESS_TOKEN_LIFETIME"] < jwt["REFRESH_TOKEN_LIFETIME"]:
        return []
    return [
        Error(
            "Access tokens live as long as refresh tokens, or longer.",
            hint="Set CHATIRE_ACCESS_MINUTES to minutes and CHATIRE_REFRESH_DAYS to days.",
            id="ops.E002",
        )
    ]


@register(Tags.security, deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Passwords and tokens in clear text are for one's own machine only."""
    foreign = set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS
    if settings.ENV.https or not foreign:
        return []
    return [
        checks.Warning(
            f"CHATIRE_HTTPS is off, and the chat answers to {', '.join(sorted(foreign))}.",
            hint="Set CHATIRE_HTTPS=1 and give nginx a certificate.",
            id="ops.W001",
        )
    ]
