"""Who a request is from: a valid access token of an open session, found in one query."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken, TokenError
from rest_framework_simplejwt.tokens import Token

from accounts import sessions
from accounts.tokens import SessionAccessToken, claims_of


class SessionJWTAuthentication(JWTAuthentication):
    """`Authorization: JWT <access>`, or Bearer; `request.auth` is the token."""

    def get_validated_token(self, raw_token: bytes) -> Token:
        """Raises InvalidToken without saying what exactly was wrong with the token."""
        try:
            return SessionAccessToken(raw_token)  # type: ignore[arg-type]
        except TokenError as error:
            raise InvalidToken from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        """Raises AuthenticationFailed when the session is over or the user not active."""
        claims = claims_of(validated_token)
        found = sessions.find(claims.sid, claims.user_id)
        if found is None:
            raise AuthenticationFailed("The session is over.", code="session_over")
        # What the query did not fetch is fetched when someone asks for it. from_db takes values
        # in the order of the model's fields, whatever order the names come in.
        names = [f.attname for f in User._meta.concrete_fields if f.attname in found._fields]
        return User.from_db("default", names, [getattr(found, name) for name in names])
