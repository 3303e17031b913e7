"""Django application of the realtime core."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Owns the migration that hardens the channel layer's tables, and presence."""

    name = "realtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks that hold the channel layer's configuration."""
        from realtime import checks  # noqa: F401
