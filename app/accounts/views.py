"""The calls under /auth/: accounts by djoser, tokens by simplejwt, both bound to sessions."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db import transaction
from djoser.views import UserViewSet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken, TokenError

from accounts import cookies, sessions
from accounts.authentication import SessionJWTAuthentication
from accounts.serializers import (
    AccountSerializer,
    LogoutSerializer,
    RefreshSerializer,
    SetPasswordSerializer,
    SignInSerializer,
    SignUpSerializer,
    TokensSerializer,
    VerifySerializer,
)
from accounts.tokens import SessionAccessToken, SessionRefreshToken, claims_of
from ops.schema import PROBLEM


class AccountViewSet(UserViewSet):
    """What of djoser this chat offers: sign-up, "me" and changing one's password."""

    @extend_schema(
        operation_id="sign_up",
        request=SignUpSerializer,
        responses={201: AccountSerializer},
        auth=[],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Makes an account."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.perform_create(serializer)
        answer = AccountSerializer(serializer.instance).data
        return Response(answer, status=status.HTTP_201_CREATED)

    def get_authenticators(self) -> list[Any]:
        # A stale token in the header must not keep anyone from signing up.
        if (
            self.request is not None
            and self.action_map.get(self.request.method.lower()) == "create"
        ):
            return []
        return list(super().get_authenticators())

    @extend_schema(operation_id="me", responses={200: AccountSerializer})
    def me(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's own account."""
        return Response(AccountSerializer(cast(User, request.user)).data)

    @extend_schema(
        operation_id="set_password", request=SetPasswordSerializer, responses={204: None}
    )
    def set_password(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Changes the caller's password; all their other sessions end."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=cast(User, request.user).pk)
            token = cast(SessionAccessToken, request.auth)
            user.keep_session = claims_of(token).sid  # type: ignore[attr-defined]
            user.set_password(serializer.validated_data["new_password"])
            user.save(update_fields=["password"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenView(APIView):
    """A call that proves by its own content who it is from."""

    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        # Without one, DRF would turn 401 into 403.
        return SessionJWTAuthentication().authenticate_header(request)


class SignInView(TokenView):
    @extend_schema(
        operation_id="sign_in",
        request=SignInSerializer,
        responses={200: TokensSerializer, 401: PROBLEM, 403: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Starts a session. 403 only where `cookie` is asked for by a foreign page."""
        serializer = SignInSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        if wanted["cookie"]:
            # Or a foreign page could sign its visitor in as somebody else.
            cookies.require_own_origin(request)
        user = authenticate(request, username=wanted["username"], password=wanted["password"])
        with transaction.atomic():
            session = sessions.start(user) if isinstance(user, User) else None
            if not isinstance(user, User) or session is None:
                raise AuthenticationFailed(
                    "No active account found with the given credentials", "no_active_account"
                )
            refresh = SessionRefreshToken.for_session(session, user)
        return _tokens(refresh, as_cookie=wanted["cookie"])


class RefreshView(TokenView):
    @extend_schema(
        operation_id="refresh",
        request=RefreshSerializer,
        responses={
            200: TokensSerializer,
            204: OpenApiResponse(description="Neither body nor cookie holds a token."),
            401: PROBLEM,
            403: PROBLEM,
        },
    )
    def post(self, request: Request) -> Response:
        """A new pair for a refresh token, which is then worth nothing after 30 s more."""
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        raw, as_cookie = _refresh_token(request, serializer)
        if raw is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        try:
            token = SessionRefreshToken(raw)  # type: ignore[arg-type]
        except TokenError as error:
            raise InvalidToken from error
        claims = claims_of(token)
        with transaction.atomic():
            if not sessions.touch(claims.sid, claims.user_id):
                raise AuthenticationFailed("The session is over.", code="session_over")
            successor = token.rotate()
        return _tokens(successor, as_cookie=as_cookie)


class VerifyView(TokenView):
    @extend_schema(
        operation_id="verify",
        request=VerifySerializer,
        responses={200: OpenApiResponse({"type": "object"}), 401: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Whether an access or refresh token is good and its session open."""
        serializer = VerifySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        claims = claims_of(_any_token(serializer.validated_data["token"]))
        if sessions.find(claims.sid, claims.user_id) is None:
            raise AuthenticationFailed("The session is over.", code="session_over")
        return Response({})


class LogoutView(TokenView):
    @extend_schema(
        operation_id="logout",
        request=LogoutSerializer,
        responses={204: None, 401: PROBLEM, 403: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Ends the session of the token: the body's, else the cookie's, else the header's.

        Where there is none of these, there is nothing to end: 204 as well.
        """
        serializer = LogoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        raw, as_cookie = _refresh_token(request, serializer)
        everywhere = serializer.validated_data["everywhere"]
        if raw is not None:
            _end(raw, everywhere=everywhere)
        elif (found := SessionJWTAuthentication().authenticate(request)) is not None:
            user, token = found
            sessions.end(user.pk, only=None if everywhere else claims_of(token).sid)
        response = Response(status=status.HTTP_204_NO_CONTENT)
        if as_cookie:
            cookies.remove(response)
        return response


def _refresh_token(request: Request, serializer: RefreshSerializer) -> tuple[str | None, bool]:
    """The refresh token, and whether it came as a cookie. The body goes first."""
    raw = serializer.validated_data["refresh"]
    if raw is not None:
        return raw, False
    raw = cookies.from_request(request)
    return raw, raw is not None


def _any_token(raw: str) -> SessionAccessToken | SessionRefreshToken:
    """A good token of either kind; raises InvalidToken."""
    for kind in (SessionAccessToken, SessionRefreshToken):
        try:
            return kind(raw)  # type: ignore[arg-type]
        except TokenError:
            continue
    raise InvalidToken


def _end(raw: str, *, everywhere: bool) -> None:
    """Ends the session of a refresh token, also of one rotated away; raises InvalidToken.

    All of the user's sessions end only at the wish of one that is open: an old token that
    somebody found can do no more than end what it belonged to.
    """
    try:
        claims = claims_of(RotatedToken(raw))  # type: ignore[arg-type]
    except TokenError as error:
        raise InvalidToken from error
    if everywhere and sessions.find(claims.sid, claims.user_id) is not None:
        sessions.end(claims.user_id)
    else:
        sessions.end(claims.user_id, only=claims.sid)


class RotatedToken(SessionRefreshToken):
    """A refresh token of which it does not matter whether it was rotated away."""

    def check_blacklist(self) -> None:
        pass


def _tokens(refresh: SessionRefreshToken, *, as_cookie: bool) -> Response:
    answer = {"access": str(refresh.access_token)}
    if not as_cookie:
        answer["refresh"] = str(refresh)
    response = Response(answer)
    if as_cookie:
        cookies.put(response, str(refresh))
    return response
