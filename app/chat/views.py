"""The calls under /api/chats/.

Every one is checked in the order of docs/protocol.md: 401 (by DRF, before the view's method), 404,
403, and only then the input. `_reading` gives a broken body its place in that order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.fields import normalized
from accounts.users import user_dict
from chat import actions, epoch, history, overview, paging, posting, roster
from chat.drafts import Draft, is_storable
from chat.events import message_object, timestamp
from chat.members import members
from chat.permissions import (
    Access,
    NoSuchChat,
    access,
    require_chat,
    require_may_add,
    require_member,
)
from chat.serializers import (
    AddMemberSerializer,
    ChatShape,
    ChatsShape,
    CreatedShape,
    HistoryShape,
    JoinedShape,
    PostedShape,
    PostSerializer,
    ReadSerializer,
)

URI_PARAMETER = OpenApiParameter(
    "uri", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, OpenApiParameter.PATH
)
USERNAME_PARAMETER = OpenApiParameter("username", {"type": "string"}, OpenApiParameter.PATH)


class ChatsView(APIView):
    """All of the caller's chats."""

    @extend_schema(
        operation_id="list_chats",
        parameters=[paging.LIMIT_PARAMETER, paging.CURSOR_PARAMETER],
        responses={200: ChatsShape},
    )
    def get(self, request: Request) -> Response:
        """The caller's chats, newest activity first."""
        query = request.query_params
        entries, more = overview.page(
            _user(request).pk, paging.cursor_of(query), paging.limit_of(query)
        )
        return Response(
            {
                "results": [_entry(entry) for entry in entries],
                "next": None if more is None else paging.cursor_text(more),
            }
        )

    @extend_schema(operation_id="create_chat", request=None, responses={201: CreatedShape})
    def post(self, request: Request) -> Response:
        """A new chat, which the caller owns. A body is not looked at."""
        chat = roster.create_chat(_user(request))
        answer = {"status": "SUCCESS", "uri": chat.uri, "message": "New chat session created"}
        return Response(answer, status=status.HTTP_201_CREATED)


@extend_schema(parameters=[URI_PARAMETER])
class ChatView(APIView):
    """One chat."""

    @extend_schema(operation_id="get_chat", responses={200: ChatShape})
    def get(self, request: Request, uri: str) -> Response:
        """Who is in the chat and where it stands; for its members."""
        found = require_member(_access(request, uri))
        everyone = members(found.chat_id)
        if not everyone:
            # Deleted in the very moment.
            raise NoSuchChat(NoSuchChat.detail)
        return Response(
            {
                "uri": uri,
                # The owner cannot leave, and comes first.
                "owner": user_dict(everyone[0]),
                "members": [user_dict(member) for member in everyone],
                "last_seq": found.last_seq,
                "epoch": epoch.current(),
            }
        )

    @extend_schema(
        operation_id="add_member", request=AddMemberSerializer, responses={200: JoinedShape}
    )
    def patch(self, request: Request, uri: str) -> Response:
        """Joins by the link, or lets somebody else in. Repeating it changes nothing."""
        found = require_chat(_access(request, uri))
        user = _user(request)
        # 403 goes before 400: who was removed may not ask for anything here.
        fields = _reading(
            lambda: _valid(AddMemberSerializer(data=request.data)),
            lambda: require_may_add(found, user.pk, user.pk),
        )
        target = _user_named(fields["username"])
        roster.add_member(uri, user, target)
        return Response(
            {
                "status": "SUCCESS",
                "members": [user_dict(member) for member in members(found.chat_id)],
                "message": f"{target.username} joined the chat",
                "user": user_dict(target),
            }
        )


@extend_schema(parameters=[URI_PARAMETER, USERNAME_PARAMETER])
class MemberView(APIView):
    """One member of a chat."""

    @extend_schema(operation_id="remove_member", responses={204: None})
    def delete(self, request: Request, uri: str, username: str) -> Response:
        """Leaves the chat, or removes somebody from it, which is the owner's right.

        Whom the owner removed comes back only when a member adds them. 404 also for
        somebody who is not in the chat.
        """
        require_chat(_access(request, uri))
        target = _user_named(normalized(username))
        if not roster.remove_member(uri, _user(request), target):
            raise NotFound("This user is not in the chat.")
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(parameters=[URI_PARAMETER])
class MessagesView(APIView):
    """The messages of a chat."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A post in which all is in order is answered by one statement, before anything else."""
        if request.method == "POST":
            answer = posting.answer(request, kwargs["uri"])
            if answer is not None:
                return answer
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="list_messages",
        parameters=[paging.AFTER_PARAMETER, paging.BEFORE_PARAMETER, paging.LIMIT_PARAMETER],
        responses={200: HistoryShape},
    )
    def get(self, request: Request, uri: str) -> Response:
        """A page of messages, oldest first; the newest one unless told otherwise."""
        found = require_member(_access(request, uri))
        window = paging.window_of(request.query_params)
        if window.after is not None:
            page = history.after(found.chat_id, window.after, window.limit)
        elif window.before is not None:
            page = history.before(found.chat_id, window.before, window.limit)
        else:
            page = history.newest(found.chat_id, window.limit)
        return Response(
            {
                "id": found.chat_id,
                "uri": uri,
                "messages": [message_object(row) for row in page.rows],
                "has_more": page.has_more,
            }
        )

    @extend_schema(
        operation_id="post_message",
        request=PostSerializer,
        responses={201: PostedShape, 200: PostedShape},
    )
    def post(self, request: Request, uri: str) -> Response:
        """Stores a message and sends it to every member.

        200 for one that this user sent before with the same `client_id`. Access is part of the
        statement that stores it, so it is asked for by itself only where the input is bad.
        """
        fields = _reading(
            lambda: _valid(PostSerializer(data=request.data)),
            lambda: require_member(_access(request, uri)),
        )
        posted = actions.post_message(
            uri, _user(request), Draft(fields["message"], fields["client_id"])
        )
        return Response(
            {"status": "SUCCESS", **message_object(posted.row)},
            status=status.HTTP_201_CREATED if posted.created else status.HTTP_200_OK,
        )


@extend_schema(parameters=[URI_PARAMETER])
class ReadView(APIView):
    """How far the caller has read."""

    @extend_schema(operation_id="mark_read", request=ReadSerializer, responses={204: None})
    def post(self, request: Request, uri: str) -> Response:
        """Notes that the caller has read up to `seq`; never goes backwards.

        A `seq` beyond the newest message means the newest message.
        """
        found = require_member(_access(request, uri))
        fields = _valid(ReadSerializer(data=request.data))
        actions.mark_read(found.chat_id, _user(request), fields["seq"])
        return Response(status=status.HTTP_204_NO_CONTENT)


def _user(request: Request) -> User:
    # Every call here asks for authentication, so it is not AnonymousUser.
    return cast(User, request.user)


def _access(request: Request, uri: str) -> Access | None:
    return access(uri, _user(request).pk)


def _user_named(username: str) -> User:
    """Raises NotFound, also for a text that can be nobody's name."""
    if is_storable(username):
        user = User.objects.filter(username=username).first()
        if user is not None:
            return user
    raise NotFound("There is no such user.")


def _valid(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields


def _reading(read: Callable[[], dict[str, Any]], require: Callable[[], object]) -> dict[str, Any]:
    """The input, read before access is known; when it is bad, access is asked for first."""
    try:
        return read()
    except (APIException, SuspiciousOperation):
        require()
        raise


def _entry(entry: overview.Entry) -> dict[str, Any]:
    last = entry.last_message
    return {
        "uri": entry.uri,
        "owner": user_dict(entry.owner),
        "last_message": None if last is None else message_object(last),
        "last_seq": entry.last_seq,
        "unread": entry.unread,
        "update_date": timestamp(entry.update_date),
    }
