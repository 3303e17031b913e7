"""Rooms and what was said in them."""

from django.conf import settings
from django.db import models


class ChatSession(models.Model):  # type: ignore[misc]
    uri = models.CharField(max_length=64, unique=True)


class ChatSessionMessage(models.Model):  # type: ignore[misc]
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    chat_session = models.ForeignKey(ChatSession, on_delete=models.PROTECT)
    message = models.TextField()
    create_date = models.DateTimeField(auto_now_add=True)
