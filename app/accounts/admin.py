"""Sessions in the admin: to look at and to end."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import sessions
from accounts.models import Session
from ops.admin import ReadOnlyAdmin


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ["id", "user", "created", "last_used", "ended_at"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    actions = ["end_sessions"]

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """Their tokens are refused and their sockets closed."""
        ended = sum(sessions.end(session.user_id, only=session.pk) for session in queryset)
        self.message_user(request, f"{ended} sessions ended.")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_session")
