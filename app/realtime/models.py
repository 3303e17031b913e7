"""Who is online where, as the WebSocket workers tell each other.

Both tables are UNLOGGED: their rows are worth nothing after a crash of the database, when every
worker writes its own again. No foreign keys, for the rows come and go with sockets.
"""

from django.db import models


class Worker(models.Model):
    """A WebSocket worker's lease: what hangs on it is void once `expire` has passed."""

    name = models.CharField(max_length=100, primary_key=True)
    expire = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


class Presence(models.Model):
    """A user has at least one socket in a chat, on this worker."""

    chat_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    worker = models.CharField(max_length=100, db_index=True)

    class Meta:
        verbose_name_plural = "presence"
        constraints = (
            models.UniqueConstraint(
                fields=("chat_id", "user_id", "worker"), name="realtime_presence_once"
            ),
        )

    def __str__(self) -> str:
        return f"user {self.user_id} in chat {self.chat_id} on {self.worker}"
