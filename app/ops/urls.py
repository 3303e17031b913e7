"""Addresses that operators ask."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
