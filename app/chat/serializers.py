"""Input of the chat's calls, and the shapes of their answers for the schema.

The answers are built by chat/events.py, so that HTTP and WebSocket cannot differ; the classes
ending in `Shape` only describe them, and the tests hold one against the other.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.fields import UsernameField
from chat.fields import ClientIdField, MessageField, SeqField


class PostSerializer(serializers.Serializer[Any]):
    """A message to send."""

    message = MessageField()
    client_id = ClientIdField(required=False, allow_null=True, default=None)


class AddMemberSerializer(serializers.Serializer[Any]):
    """Whom to let in."""

    username = UsernameField()


class ReadSerializer(serializers.Serializer[Any]):
    """How far the caller has read; beyond the newest message means up to it."""

    seq = SeqField()


class UserShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()


class MessageShape(serializers.Serializer[Any]):
    seq = serializers.IntegerField()
    id = serializers.IntegerField()
    uri = serializers.CharField()
    user = UserShape()
    message = serializers.CharField()
    client_id = serializers.UUIDField(allow_null=True)
    create_date = serializers.DateTimeField()


class PostedShape(MessageShape):
    status = serializers.ChoiceField(["SUCCESS"])


class HistoryShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    uri = serializers.CharField()
    messages = MessageShape(many=True)
    has_more = serializers.BooleanField()


class CreatedShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["SUCCESS"])
    uri = serializers.CharField()
    message = serializers.CharField()


class JoinedShape(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["SUCCESS"])
    members = UserShape(many=True)
    message = serializers.CharField()
    user = UserShape()


class ChatShape(serializers.Serializer[Any]):
    uri = serializers.CharField()
    owner = UserShape()
    members = UserShape(many=True)
    last_seq = serializers.IntegerField()
    epoch = serializers.CharField()


class EntryShape(serializers.Serializer[Any]):
    uri = serializers.CharField()
    owner = UserShape()
    last_message = MessageShape(allow_null=True)
    last_seq = serializers.IntegerField()
    unread = serializers.IntegerField()
    update_date = serializers.DateTimeField()


class ChatsShape(serializers.Serializer[Any]):
    results = EntryShape(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="The `cursor` of the next page; null on the last."
    )
