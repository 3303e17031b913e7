"""Settings that hold in every environment. What differs is read in chatire/env.py."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from chatire import env
from ops import refusals

ENV = env.load()
BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = ENV.secret_key
DEBUG = False
ALLOWED_HOSTS = list(ENV.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.origins)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "djoser",
    "drf_spectacular",
    "corsheaders",
    "channels",
    "channels_postgres",
    "accounts",
    "chat",
    "realtime",
    "ops",
]

MIDDLEWARE = [
    "ops.middleware.body_limit",
    "ops.middleware.no_store",
    "ops.middleware.DatabaseAway",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "ops.middleware.CookieSession",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "ops.middleware.CookieUser",
    "ops.middleware.CookieMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "chatire.urls"
WSGI_APPLICATION = "chatire.wsgi.application"
ASGI_APPLICATION = "chatire.asgi.application"

# A POST without the closing slash must not turn into a redirected GET; it gets a JSON 404.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------

# How long a thread tries to connect before it tells its client to come back: through a restart,
# not through an outage, in which it would hold all threads and the health check with them.
DB_PATIENCE_SECONDS = 2
DB_CONNECT_TIMEOUT_SECONDS = 3

# A statement of the http tier that runs longer than this is a fault, not work: the slowest
# regular one takes milliseconds. A thread is not to be had meanwhile.
HTTP_STATEMENT_TIMEOUT_MS = 5_000


def database_options(tier: str) -> dict[str, Any]:
    """Connection options of one tier."""
    options: dict[str, Any] = {
        "application_name": f"chatire-{tier}",
        "connect_timeout": DB_CONNECT_TIMEOUT_SECONDS,
        # With several hosts in CHATIRE_DB_HOST, the one that takes writes is the one to use.
        "target_session_attrs": "read-write",
        # A peer that vanished without a reset is noticed within ten seconds, not two hours: so long
        # a thread and its client hang on it. The same as in realtime/conninfo.py.
        "keepalives_idle": 4,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 9_000,
    }
    if tier == "http":
        options["options"] = f"-c statement_timeout={HTTP_STATEMENT_TIMEOUT_MS}"
        options["patience"] = DB_PATIENCE_SECONDS
        # psycopg's own value, which Django takes away for the sake of transaction poolers: there is
        # none in between (docs/broker.md).
        options["prepare_threshold"] = 5
    return options


DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "ops.database",
        "HOST": ENV.db_host,
        "PORT": ENV.db_port,
        "NAME": ENV.db_name,
        "USER": ENV.db_user,
        "PASSWORD": ENV.db_password,
        # A thread of the http tier keeps its connection. Pooled ones took more of its time with
        # every request than a short statement does.
        "CONN_MAX_AGE": None if ENV.tier == "http" else 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": database_options(ENV.tier),
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "realtime.layer.HardenedPostgresChannelLayer",
        # The layer takes host, name and role from DATABASES["default"].
        "CONFIG": {"tier": ENV.tier},
    },
}

# --- Accounts -------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    # Not SECRET_KEY: either can be changed without the other.
    "SIGNING_KEY": ENV.jwt_signing_key,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=ENV.access_minutes),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=ENV.refresh_days),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    "AUTH_HEADER_TYPES": ("JWT", "Bearer"),
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.SessionAccessToken",),
}

DJOSER = {
    "TOKEN_MODEL": None,
    "HIDE_USERS": True,
    "SERIALIZERS": {
        "user_create": "accounts.serializers.SignUpSerializer",
        "user": "accounts.serializers.AccountSerializer",
        "current_user": "accounts.serializers.AccountSerializer",
        "set_password": "accounts.serializers.SetPasswordSerializer",
    },
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.SessionJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "ops.parsers.StrictJSONParser",
        "ops.parsers.StrictFormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ops.negotiation.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "ops.schema.ChatireSchema",
    # OPTIONS is for CORS, which the middleware answers; the schema says what a view takes.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "ops.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# Where `cookie: true` puts the refresh token. The path keeps it off every other request.
REFRESH_COOKIE_NAME = "chatire_refresh"
REFRESH_COOKIE_PATH = "/auth/"
REFRESH_COOKIE_SECURE = ENV.https

# --- Browser --------------------------------------------------------------------------------

CORS_ALLOWED_ORIGINS = list(ENV.cors_origins)
# A page from elsewhere may read how long it has to wait.
CORS_EXPOSE_HEADERS = ["Retry-After"]
CORS_URLS_REGEX = r"^/(api|auth)/.*$"

SESSION_COOKIE_SECURE = ENV.https
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = ENV.https
CSRF_COOKIE_SAMESITE = "Strict"
# nginx sets the header itself and throws away what a client sent (deploy/nginx).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Static files (the admin's) -------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Language and time ----------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs: stdout, one line an entry --------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "ops.logs.LineFormatter"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
        },
    },
    "root": {"handlers": ["stdout"], "level": ENV.log_level},
    "loggers": {
        # Django's own handlers write to stderr and mail; one way out is enough.
        "django": {"handlers": [], "level": ENV.log_level, "propagate": True},
        "django.server": {"handlers": [], "level": ENV.log_level, "propagate": True},
        # One line for every 4xx would let a client fill the log.
        "django.request": {"level": "ERROR"},
        # A foreign Host header is the client's fault and is answered 400.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "chatire",
    "DESCRIPTION": "A chat over HTTP and WebSocket. This schema describes the HTTP part.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "APPEND_COMPONENTS": {"schemas": refusals.SCHEMAS},
}
