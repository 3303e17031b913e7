"""The chat in the admin. Whatever is changed here goes through chat/roster.py, so that sockets
hear of it; messages cannot be deleted one by one, because their `seq` has no gap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat import roster
from chat.models import Chat, History, Membership, Message, Removal
from ops.admin import ReadOnlyAdmin


@admin.register(Chat)
class ChatAdmin(ReadOnlyAdmin):
    """Chats are made and changed by their members; here they can be deleted whole."""

    list_display = ["uri", "owner", "last_seq", "create_date", "update_date"]
    list_select_related = ["owner"]
    search_fields = ["uri", "owner__username"]
    date_hierarchy = "update_date"

    def has_delete_permission(self, request: HttpRequest, obj: Chat | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """A chat's messages go with it, though none of them may be deleted alone."""
        chats = list(objs)
        count = Message.objects.filter(chat__in=chats).count()
        return [str(chat) for chat in chats], {"chats": len(chats), "messages": count}, set(), []

    def delete_model(self, request: HttpRequest, obj: Chat) -> None:
        roster.delete_chats([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Chat]) -> None:
        roster.delete_chats([chat.pk for chat in queryset])


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ["chat", "user", "read_seq", "create_date"]
    list_select_related = ["chat", "user"]
    search_fields = ["chat__uri", "user__username"]
    actions = ["remove_members"]

    @admin.action(description="Remove the selected members", permissions=["remove"])
    def remove_members(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """As the owner would; the owners themselves stay."""
        removed = 0
        for membership in queryset.select_related("chat__owner", "user"):
            if membership.user_id != membership.chat.owner_id:
                owner = membership.chat.owner
                removed += roster.remove_member(membership.chat.uri, owner, membership.user)
        self.message_user(request, f"{removed} members removed.")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.delete_membership")


@admin.register(Removal)
class RemovalAdmin(ReadOnlyAdmin):
    """Deleting one lets the person come back by the link."""

    list_display = ["chat", "user", "create_date"]
    list_select_related = ["chat", "user"]
    search_fields = ["chat__uri", "user__username"]

    def has_delete_permission(self, request: HttpRequest, obj: Removal | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["chat", "seq", "author", "create_date"]
    list_select_related = ["chat", "author"]
    search_fields = ["chat__uri", "author__username"]
    # The table can be large: no count of everything on each page.
    show_full_result_count = False


@admin.register(History)
class HistoryAdmin(ReadOnlyAdmin):
    list_display = ["epoch"]
