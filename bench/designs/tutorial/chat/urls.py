"""HTTP: sign-in, posting as the tutorial does it, and a view that does nothing but insert."""

import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView

from chat.models import ChatSession, ChatSessionMessage


class Messages(APIView):  # type: ignore[misc]
    """`POST /api/chats/<uri>/messages/`."""

    def post(self, request: Request, uri: str) -> Response:
        session = ChatSession.objects.get(uri=uri)
        message = ChatSessionMessage.objects.create(
            user=request.user, chat_session=session, message=request.data["message"]
        )
        user = {"id": request.user.id, "username": request.user.username}
        event = {"type": "chat_message", "user": user, "message": message.message}
        async_to_sync(get_channel_layer().group_send)(uri, event)
        return Response(
            {"status": "SUCCESS", "uri": uri, "message": message.message, "user": user}, status=201
        )


def insert(request: HttpRequest, uri: str) -> JsonResponse:
    """The bare inserting view: no sign-in, no check, no publishing."""
    text = json.loads(request.body)["message"]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chat_chatsessionmessage (user_id, chat_session_id, message, create_date)"
            " SELECT 1, id, %s, now() FROM chat_chatsession WHERE uri = %s RETURNING id",
            [text, uri],
        )
        identity = cursor.fetchone()[0]
    return JsonResponse({"id": identity, "message": text}, status=201)


urlpatterns = [
    path("auth/jwt/create/", TokenObtainPairView.as_view()),
    path("api/chats/<uri>/messages/", Messages.as_view()),
    path("bare/chats/<uri>/messages/", insert),
]
