"""The two tokens. Each carries `sid`, the session it belongs to (accounts/sessions.py)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import connection
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.models import Session

SID_CLAIM = "sid"

# Two tabs that renew together, or an answer lost on the way, must sign nobody out: docs/protocol.md
# promises 30 s for the token just rotated away.
ROTATION_GRACE_SECONDS = 30

# Of so many clients a process knows the tokens: 2 MB at most.
REMEMBERED_TOKENS = 4096

# Good: known, and not rotated away for longer than the grace, by the database's clock. What is
# not known was forgotten (FORGET_SQL), or belongs to another history of the database.
GOOD_SQL = """
SELECT EXISTS (
    SELECT FROM token_blacklist_outstandingtoken o
    LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
    WHERE o.jti = %(jti)s
      AND (b.id IS NULL OR b.blacklisted_at > now() - make_interval(secs => %(grace)s))
)
"""

# Runs at each sign-in and renewal, so that the tables hold a few rows a session without any
# job that cleans them: a tab that renews every ten minutes would leave 2,000 in two weeks.
# What another call is already deleting is left to it: waiting could end in a deadlock.
FORGET_SQL = """
WITH old AS (
    SELECT o.id FROM token_blacklist_outstandingtoken o
    LEFT JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
    WHERE (%(user_id)s::integer IS NULL OR o.user_id = %(user_id)s) AND (
        o.expires_at < now() OR b.blacklisted_at <= now() - make_interval(secs => %(grace)s)
    )
    FOR UPDATE OF o SKIP LOCKED
), gone AS (
    DELETE FROM token_blacklist_blacklistedtoken WHERE token_id IN (SELECT id FROM old)
)
DELETE FROM token_blacklist_outstandingtoken WHERE id IN (SELECT id FROM old)
"""

# Plain SQL because the time must be the database's; repeating it keeps the first time, so
# that a token used again and again does not stay acceptable.
ROTATE_SQL = """
INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
SELECT id, now() FROM token_blacklist_outstandingtoken WHERE jti = %(jti)s
ON CONFLICT (token_id) DO NOTHING
"""


class Claims(NamedTuple):
    """What a validly signed token says."""

    user_id: int
    sid: uuid.UUID
    expires: datetime


class SessionAccessToken(AccessToken):
    """An access token; whether its session is still open is asked of the database."""

    def verify(self) -> None:
        super().verify()
        claims_of(self)


class SessionRefreshToken(RefreshToken):
    """A refresh token of a session, rotated at each use."""

    access_token_class = SessionAccessToken

    @classmethod
    def for_session(cls, session: Session, user: User) -> SessionRefreshToken:
        """The first refresh token of a session."""
        token = cls()
        token[api_settings.USER_ID_CLAIM] = str(user.pk)
        token[SID_CLAIM] = str(session.pk)
        token._remember(user.pk)
        return token

    def verify(self) -> None:
        super().verify()
        claims_of(self)

    def check_blacklist(self) -> None:
        """Raises TokenError when this token was rotated away longer ago than the grace."""
        jti = self.payload.get(api_settings.JTI_CLAIM)
        with connection.cursor() as cursor:
            cursor.execute(GOOD_SQL, {"jti": jti, "grace": ROTATION_GRACE_SECONDS})
            good = cursor.fetchone()[0]
        if not good:
            raise TokenError("Token is blacklisted")

    def rotate(self) -> SessionRefreshToken:
        """Blacklists this token and returns its successor in the same session."""
        with connection.cursor() as cursor:
            cursor.execute(ROTATE_SQL, {"jti": self[api_settings.JTI_CLAIM]})
        claims = claims_of(self)
        successor = type(self)()
        successor[api_settings.USER_ID_CLAIM] = str(claims.user_id)
        successor[SID_CLAIM] = str(claims.sid)
        successor._remember(claims.user_id)
        return successor

    def _remember(self, user_id: int) -> None:
        forget_tokens(user_id)
        # The token itself is left out: whoever reads the table must not be able to use it.
        OutstandingToken.objects.create(
            user_id=user_id,
            jti=self[api_settings.JTI_CLAIM],
            token="",
            created_at=self.current_time,
            expires_at=datetime_from_epoch(self["exp"]),
        )


def claims_of(token: Token) -> Claims:
    """The claims of a token that was verified; raises TokenError when one is missing."""
    try:
        return Claims(
            user_id=int(token[api_settings.USER_ID_CLAIM]),
            sid=uuid.UUID(token[SID_CLAIM]),
            expires=datetime.fromtimestamp(token["exp"], UTC),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TokenError("Token names no session") from error


def forget_tokens(user_id: int | None = None) -> int:
    """Deletes the tokens, of one user or of all, that are worth nothing any more."""
    parameters = {"user_id": user_id, "grace": ROTATION_GRACE_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(FORGET_SQL, parameters)
        return int(cursor.rowcount)


def read_access(raw: str | bytes) -> Claims:
    """The claims of an access token as it came from a client, for both tiers.

    Checks signature, algorithm, type and expiry, and asks no database; raises TokenError.
    """
    claims = _verified(raw, api_settings.SIGNING_KEY)
    if claims.expires <= datetime.now(UTC):
        raise TokenError("Token is expired")
    return claims


# A client sends the same token with every call until it runs out, and what its signature says does
# not change meanwhile. Whether its session is still open is another question, asked every time.
@lru_cache(maxsize=REMEMBERED_TOKENS)
def _verified(raw: str | bytes, key: str) -> Claims:
    """Claims of a token that this key has signed; a refusal is not remembered."""
    return claims_of(SessionAccessToken(raw))  # type: ignore[arg-type]
