"""Sessions end with what they rest on, whichever road the change takes (API, admin, shell)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import post_save, pre_delete

from accounts import sessions


def connect() -> None:
    post_save.connect(end_sessions_after_save, sender=User, dispatch_uid="accounts.end_sessions")
    pre_delete.connect(end_sessions_before_delete, sender=User, dispatch_uid="accounts.end_deleted")


def end_sessions_after_save(instance: User, created: bool, raw: bool, **_: Any) -> None:
    """A new password ends all sessions but the one that set it; deactivation ends all."""
    if created or raw:
        return
    if not instance.is_active:
        sessions.end(instance.pk)
    # Django keeps the raw password here from set_password() until save() has returned; a mere
    # upgrade of the hash at sign-in clears it before saving.
    elif getattr(instance, "_password", None) is not None:
        sessions.end(instance.pk, keep=getattr(instance, "keep_session", None))


def end_sessions_before_delete(instance: User, **_: Any) -> None:
    """The rows go with the user; the sockets must hear of it first."""
    sessions.end(instance.pk)
