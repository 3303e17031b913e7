"""For `manage.py collectstatic` while an image or bundle is built: no secrets, no database."""

from chatire.settings.base import *  # noqa: F403

DATABASES = {}
