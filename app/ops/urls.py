"""Addresses that operators and tools ask."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView

from ops import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/schema/", SpectacularJSONAPIView.as_view()),
]
