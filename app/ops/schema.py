"""How the views become OpenAPI."""

from __future__ import annotations

from drf_spectacular.openapi import AutoSchema


class ChatireSchema(AutoSchema):
    """The schema of one view."""
