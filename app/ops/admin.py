"""What all pages of the admin have in common, and the pages of the machinery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from channels_postgres import models as layer
from django.contrib import admin
from django.http import HttpRequest

from realtime import models as realtime

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(_ModelAdmin):
    """To look at, not to touch: the rows belong to code that relies on them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(layer.GroupChannel)
class GroupChannelAdmin(ReadOnlyAdmin):
    list_display = ["group_key", "channel", "expire"]


@admin.register(layer.Message)
class LayerMessageAdmin(ReadOnlyAdmin):
    list_display = ["id", "channel", "expire"]


@admin.register(realtime.Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["name", "expire"]


@admin.register(realtime.Presence)
class PresenceAdmin(ReadOnlyAdmin):
    list_display = ["chat_id", "user_id", "worker"]
