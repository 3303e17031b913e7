"""What a sign-in leaves behind."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Session(models.Model):
    """One sign-in on one device: the `sid` that its access and refresh tokens carry.

    A token is worth something only while its session is open; so signing out works at once,
    though the tokens themselves cannot be called back. All times are the database's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="sessions",
        db_index=False,
    )
    created = models.DateTimeField(db_default=Now())
    last_used = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "ended_at"], name="session_user_ended")]

    def __str__(self) -> str:
        return f"{self.id} of user {self.user_id}"
