"""What pytest runs: the production settings but for what would make tests slow."""

import os

# pytest and mypy name the settings module and nothing else.
os.environ.setdefault("CHATIRE_ENV", "test")

from chatire.settings.base import *  # noqa: F403

# The tests sign up hundreds of people; what is under test is not PBKDF2.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Nothing was collected: the finders' files are served.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
