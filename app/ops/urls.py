"""Addresses that operators and tools ask."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView

from ops import health

urlpatterns = [
    path("healthz", health.HealthView.as_view()),
    path("readyz", health.ReadyView.as_view()),
    path("api/schema/", SpectacularJSONAPIView.as_view()),
]
