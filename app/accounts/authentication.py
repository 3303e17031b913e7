"""Who a request is from: a valid access token of an open session, found in one query."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.tokens import Token

from accounts import sessions
from accounts.tokens import claims_of


class SessionJWTAuthentication(JWTAuthentication):
    """`Authorization: JWT <access>`, or Bearer."""

    def get_user(self, validated_token: Token) -> User:
        """Raises AuthenticationFailed when the session is over or the user not active."""
        claims = claims_of(validated_token)  # type: ignore[arg-type]
        found = sessions.find(claims.sid, claims.user_id)
        if found is None:
            raise AuthenticationFailed("The session is over.", code="session_over")
        user = User.from_db("default", found._fields, found)
        user.is_active = True
        user.session_id = claims.sid  # type: ignore[attr-defined]
        return user
