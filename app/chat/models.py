"""Chats, who is in them, and what was said."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

# 16 random bytes: 128 bits, 22 characters of [A-Za-z0-9_-]. Whoever knows the link may join,
# so it must not be guessed.
URI_BYTES = 16
URI_MAX_LENGTH = 64


def new_uri() -> str:
    """A fresh, unguessable name for a chat."""
    return secrets.token_urlsafe(URI_BYTES)


class Chat(models.Model):
    """A room. Its row holds the counter that numbers its messages (see chat/actions.py)."""

    uri = models.CharField(max_length=URI_MAX_LENGTH, unique=True, default=new_uri)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_chats"
    )
    last_seq = models.BigIntegerField(default=0, db_default=0)
    # How often somebody has left or was removed. A message is stored with the count of its moment,
    # and a ws worker that has not heard of so many lets it wait and looks who is still a member.
    departures = models.BigIntegerField(default=0, db_default=0)
    create_date = models.DateTimeField(db_default=Now())
    # When a message came last: the order of the caller's list.
    update_date = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.uri


class Membership(models.Model):
    """Someone is in a chat and has read it up to `read_seq`.

    What was said up to `joined_seq`, before they came, is history to them: neither unread nor,
    until they have opened the chat, read.
    """

    chat = models.ForeignKey(
        Chat, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    read_seq = models.BigIntegerField(default=0, db_default=0)
    joined_seq = models.BigIntegerField(default=0, db_default=0)
    create_date = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chat", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"user {self.user_id} in chat {self.chat_id}"


class Removal(models.Model):
    """The owner removed someone: the link does not let them in again, only a member does."""

    chat = models.ForeignKey(
        Chat, on_delete=models.CASCADE, related_name="removals", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="removals"
    )
    create_date = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chat", "user"], name="removal_once")]

    def __str__(self) -> str:
        return f"user {self.user_id} removed from chat {self.chat_id}"


class Message(models.Model):
    """One message. Rows are written by chat/actions.py only: `seq` has no gap."""

    chat = models.ForeignKey(
        Chat, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    seq = models.BigIntegerField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="messages"
    )
    client_id = models.UUIDField(null=True, blank=True)
    text = models.TextField()
    create_date = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chat", "seq"], name="message_seq_once"),
            models.UniqueConstraint(
                fields=["chat", "author", "client_id"],
                condition=Q(client_id__isnull=False),
                name="message_client_id_once",
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.seq} of chat {self.chat_id}"


class History(models.Model):
    """One row: the stored part of the epoch (chat/epoch.py)."""

    # Always 1, so that there cannot be two.
    id = models.SmallIntegerField(primary_key=True, default=1)
    epoch = models.UUIDField(default=uuid.uuid4)

    class Meta:
        verbose_name_plural = "history"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="history_one_row")]

    def __str__(self) -> str:
        return str(self.epoch)
