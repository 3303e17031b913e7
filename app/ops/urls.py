"""Addresses that operators and tools ask."""

from django.urls import path

from ops import health
from ops.schema import SchemaView

urlpatterns = [
    path("healthz", health.HealthView.as_view()),
    path("readyz", health.ReadyView.as_view()),
    path("api/schema/", SchemaView.as_view()),
]
