"""A chat as a tutorial has it: DRF, JWT, Channels, and the layer that LAYER names."""

import os
from urllib.parse import urlsplit

_dsn = urlsplit(os.environ["DSN"])
_database = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": _dsn.hostname,
    "PORT": _dsn.port,
    "USER": _dsn.username,
    "PASSWORD": "",
    "NAME": _dsn.path[1:],
    # "kept": connections that outlive a request. A tutorial leaves Django's default.
    "CONN_MAX_AGE": None if os.environ.get("KEPT") == "1" else 0,
}
SECRET_KEY = "bench" * 10
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "chat.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "channels",
    "channels_postgres",
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
DATABASES = {"default": _database, "channels_postgres": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
SIMPLE_JWT = {"AUTH_HEADER_TYPES": ("JWT",)}
# redis-py 8 gives up reading after five seconds, which is how long channels_redis waits for a
# message: without this, sockets are lost as soon as a room is quiet.
_redis = [{"address": os.environ.get("REDIS", "redis://127.0.0.1:6379/0"), "socket_timeout": None}]
CHANNEL_LAYERS = {
    "default": {
        "postgres": {
            "BACKEND": "channels_postgres.core.PostgresChannelLayer",
            # Without TIME_ZONE there is no layer at all, and nothing says so.
            "CONFIG": {**_database, "TIME_ZONE": None},
        },
        "core": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # A burst does not fit into the default capacity of 100, which counts what waits for all
            # sockets of a process: 1,000 sockets and 100 messages are 100,000.
            "CONFIG": {"hosts": _redis, "capacity": 1_000_000},
        },
        "core-default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": _redis},
        },
        "pubsub": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": _redis},
        },
    }[os.environ["LAYER"]]
}
