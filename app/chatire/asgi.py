"""The ASGI application of the ws tier; `python -m realtime.server` runs it."""

import os

import django

from chatire.env import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())
django.setup()

from realtime.routing import application  # noqa: E402  needs the settings

__all__ = ["application"]
