"""System checks: a channel layer that is missing or not hardened stops the start."""

from typing import Any

from channels.layers import get_channel_layer
from django.core.checks import CheckMessage, Error, register


@register()
def check_channel_layer(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error when the default channel layer is absent or not the hardened one.

    `get_channel_layer()` answers None without a word for some wrong settings, and plain
    channels-postgres goes deaf after a database restart: neither may reach production.
    """
    from realtime.layer import HardenedPostgresChannelLayer

    hint = (
        'Set CHANNEL_LAYERS = {"default": {"BACKEND": '
        '"realtime.layer.HardenedPostgresChannelLayer", "CONFIG": {}}}.'
    )
    try:
        layer = get_channel_layer()
    except Exception as error:
        return [
            Error(
                f"The channel layer cannot be made: {error}",
                hint=hint,
                id="realtime.E001",
            )
        ]
    if layer is None:
        return [Error("get_channel_layer() returns None.", hint=hint, id="realtime.E002")]
    if not isinstance(layer, HardenedPostgresChannelLayer):
        found = f"{type(layer).__module__}.{type(layer).__qualname__}"
        return [Error(f"The channel layer is {found}.", hint=hint, id="realtime.E003")]
    return []
