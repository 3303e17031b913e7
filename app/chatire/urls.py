"""Every address of the http tier."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("auth/", include("accounts.urls")),
    path("api/chats/", include("chat.urls")),
    path("admin/", admin.site.urls),
    path("", include("ops.urls")),
]

handler400 = "ops.errors.bad_request"
handler403 = "ops.errors.permission_denied"
handler404 = "ops.errors.page_not_found"
handler500 = "ops.errors.server_error"
