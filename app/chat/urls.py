"""Addresses under /api/chats/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
