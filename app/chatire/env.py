"""Everything the application takes from its surroundings, read in one place.

Plain settings are environment variables; secrets are files, one secret each, in the
directory `CHATIRE_SECRETS_DIR`. `load()` returns an `Env` or raises `ImproperlyConfigured`
that names every variable and file which is missing or wrong, all at once, so that a first
start does not fail five times over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from chatire import cores

ENVIRONMENTS = ("production", "development", "test", "build")

# An HS256 key shorter than its hash's output weakens the signature (RFC 7518, 3.2).
MIN_SECRET_LENGTH = 32

# Outside production a missing secret must not stop anyone from trying things out; production
# never sees these, because there the absence of the file is an error.
INSECURE_SECRET = "insecure-outside-production-" * 2

T = TypeVar("T")


@dataclass(frozen=True)
class Env:
    """The configuration of one process."""

    environment: str
    tier: str
    secret_key: str
    jwt_signing_key: str
    db_host: str
    db_port: str
    db_name: str
    db_user: str
    db_password: str
    allowed_hosts: tuple[str, ...]
    origins: tuple[str, ...]
    cors_origins: tuple[str, ...]
    https: bool
    access_minutes: int
    refresh_days: int
    http_threads: int
    http_workers: int
    ws_max_sockets: int
    ws_frames_per_second: int
    ws_frames_burst: int
    ws_outbox_bytes: int
    ws_db_connections: int
    ws_deaf_seconds: int
    ws_stuck_seconds: int
    drain_seconds: int
    log_level: str
    bind: str


def environment(environ: Mapping[str, str] = os.environ) -> str:
    """The value of CHATIRE_ENV; raises ImproperlyConfigured for an unknown one."""
    value = environ.get("CHATIRE_ENV", "production")
    if value not in ENVIRONMENTS:
        raise ImproperlyConfigured(
            f"CHATIRE_ENV is {value!r}; expected one of {', '.join(ENVIRONMENTS)}."
        )
    return value


def settings_module() -> str:
    """The settings module that belongs to CHATIRE_ENV, for manage.py and the entry points."""
    return f"chatire.settings.{environment()}"


def load(environ: Mapping[str, str] = os.environ) -> Env:
    """Reads and checks everything; raises ImproperlyConfigured with all that is wrong."""
    kind = environment(environ)
    reader = _Reader(environ, strict=kind == "production")
    env = Env(
        environment=kind,
        tier=reader.text("CHATIRE_TIER", "manage"),
        secret_key=reader.secret("django_secret_key", MIN_SECRET_LENGTH),
        jwt_signing_key=reader.secret("jwt_signing_key", MIN_SECRET_LENGTH),
        db_host=reader.required("CHATIRE_DB_HOST", "127.0.0.1"),
        db_port=reader.text("CHATIRE_DB_PORT", "5432"),
        db_name=reader.required("CHATIRE_DB_NAME", "chatire"),
        db_user=reader.required("CHATIRE_DB_USER", "postgres"),
        db_password=reader.secret("postgres_password", 1, fallback=""),
        allowed_hosts=reader.words("CHATIRE_ALLOWED_HOSTS", "localhost,127.0.0.1"),
        origins=reader.origins("CHATIRE_ORIGINS", "http://localhost:8080,http://127.0.0.1:8080"),
        cors_origins=reader.origins("CHATIRE_CORS_ORIGINS", "", required=False),
        https=reader.flag("CHATIRE_HTTPS", False),
        # Long enough that a tab renews seldom, short enough that a leaked token is soon worthless.
        access_minutes=reader.integer("CHATIRE_ACCESS_MINUTES", 10, 1, 24 * 60),
        # A fortnight away does not sign anybody out.
        refresh_days=reader.integer("CHATIRE_REFRESH_DAYS", 14, 1, 366),
        # Mostly they wait, for the database or a password's hash; each keeps a connection to it.
        # Not by the cores: threads of one process share one, and take turns at waiting.
        http_threads=reader.integer("CHATIRE_HTTP_THREADS", 8, 1, 256),
        # More processes are more replicas, each of which nginx and a health check see by itself.
        http_workers=reader.integer(
            "CHATIRE_HTTP_WORKERS", cores.http_workers(cores.available()), 1, 64
        ),
        # Idle ones took 23.8 KB each (bench/costs.json): a quarter of a container's 1 GB, and rooms
        # need the rest. One takes a descriptor here, of 20,000 that are to be had everywhere, which
        # leaves as many to those who are refused; and two of 20,000 in an nginx worker.
        ws_max_sockets=reader.integer("CHATIRE_WS_MAX_SOCKETS", 10_000, 1, 1_000_000),
        # No person, and twice what a program may be sure of over HTTP; each frame is work for every
        # worker that has the room.
        ws_frames_per_second=reader.integer("CHATIRE_WS_FRAMES_PER_SECOND", 200, 1, 1_000_000),
        # What waited in a client through an outage may come at once. No more than that: a thousand
        # frames to a thousand sockets are the event loop's longest turn (ws_stuck_seconds).
        ws_frames_burst=reader.integer("CHATIRE_WS_FRAMES_BURST", 1_000, 1, 1_000_000),
        # What may wait for one slow reader: about two thousand messages of 500 bytes.
        ws_outbox_bytes=reader.integer("CHATIRE_WS_OUTBOX_BYTES", 1 << 20, 1 << 16, 1 << 28),
        # Every query is short, and each connection costs the database a process.
        ws_db_connections=reader.integer("CHATIRE_WS_DB_CONNECTIONS", 6, 1, 100),
        # A worker that hears no notification for so long, while the database answers it, ends.
        ws_deaf_seconds=reader.integer("CHATIRE_WS_DEAF_SECONDS", 60, 10, 3_600),
        # A worker whose event loop stands still for so long is ended; 0: never. Its longest turn, a
        # thousand frames to a thousand sockets, takes less than one second.
        ws_stuck_seconds=reader.integer("CHATIRE_WS_STUCK_SECONDS", 6, 0, 3_600),
        # Three fifths of it let go of 720 sockets at the pace that two cores bear
        # (realtime/drain.py), more of them at a quicker one; who deploys waits for it.
        drain_seconds=reader.integer("CHATIRE_DRAIN_SECONDS", 20, 0, 3_600),
        log_level=reader.choice(
            "CHATIRE_LOG_LEVEL",
            "INFO",
            ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        ),
        bind=reader.text("CHATIRE_BIND", "127.0.0.1:8000"),
    )
    reader.finish()
    return env


class _Reader:
    """Collects what is wrong instead of stopping at the first problem."""

    def __init__(self, environ: Mapping[str, str], *, strict: bool) -> None:
        self.environ = environ
        self.strict = strict
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self.environ.get(name, "").strip() or default

    def required(self, name: str, outside_production: str) -> str:
        value = self.environ.get(name, "").strip()
        if value:
            return value
        if self.strict:
            self.problems.append(f"{name} is not set")
        return outside_production

    def words(self, name: str, outside_production: str) -> tuple[str, ...]:
        value = self.required(name, outside_production)
        return tuple(word.strip() for word in value.split(",") if word.strip())

    def origins(
        self, name: str, outside_production: str, *, required: bool = True
    ) -> tuple[str, ...]:
        value = self.required(name, outside_production) if required else self.text(name, "")
        words = tuple(word.strip() for word in value.split(",") if word.strip())
        for word in words:
            if not _is_origin(word):
                self.problems.append(
                    f"{name} holds {word!r}; expected full origins such as https://chat.example.org"
                )
        return words

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default).upper()
        if value not in allowed:
            self.problems.append(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        return self._parse(name, default, {"0": False, "1": True}.__getitem__, "0 or 1")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        def bounded(value: str) -> int:
            number = int(value)
            if not low <= number <= high:
                raise ValueError
            return number

        return self._parse(name, default, bounded, f"a whole number from {low} to {high}")

    def secret(self, name: str, min_length: int, *, fallback: str = INSECURE_SECRET) -> str:
        directory = Path(self.environ.get("CHATIRE_SECRETS_DIR", "/run/secrets"))
        path = directory / name
        try:
            value = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            if self.strict:
                self.problems.append(f"the secret file {path} is missing")
            return fallback
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"the secret file {path} cannot be read ({error})")
            return fallback
        if len(value) < min_length:
            self.problems.append(
                f"the secret file {path} holds {len(value)} characters; "
                f"expected at least {min_length}"
            )
        return value

    def finish(self) -> None:
        if self.problems:
            raise ImproperlyConfigured(
                "The configuration is incomplete: " + "; ".join(self.problems) + "."
            )

    def _parse(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        value = self.environ.get(name, "").strip()
        if not value:
            return default
        try:
            return parse(value)
        except (ValueError, KeyError):
            self.problems.append(f"{name} is {value!r}; expected {expected}")
            return default


def _is_origin(value: str) -> bool:
    """Whether the value is scheme://host[:port] and nothing else, as a browser sends it."""
    try:
        parts = urlsplit(value)
        return bool(
            parts.scheme in ("http", "https")
            and parts.hostname
            and (parts.port is None or parts.port > 0)
            and value == f"{parts.scheme}://{parts.netloc}"
            and "@" not in parts.netloc
        )
    except ValueError:
        return False
