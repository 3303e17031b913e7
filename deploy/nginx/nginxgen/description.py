"""The description of a site: what `nginxgen.generate` turns into an nginx.conf.

Plain frozen dataclasses of texts, numbers and tuples. Each field carries its kind, unit and
reason, from which its check, its environment variable and its row in README.md are made.
Building one raises `DescriptionError` naming the field, what was found and what is expected.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final, TypeVar

from nginxgen.values import (
    ACCESS_LOG,
    BACKEND,
    ERROR_LOG,
    LISTEN,
    NETWORK,
    PATH,
    PROCESSES,
    SERVER_NAME,
    SYSTEM_USER,
    VERSION,
    Kind,
    ListOf,
    Maybe,
    ValueRefused,
    Whole,
    one_of,
    split_port,
)

T = TypeVar("T")

# uvicorn pings every 20 s and waits 20 s for the answer. A tunnel cut before a second ping could
# have been answered would cut healthy clients.
SHORTEST_WS_IDLE_SECONDS: Final = 45
# No limit of time here is meant to be longer than a day.
DAY_SECONDS: Final = 86_400
# Upper bound of counts and rates: what nginx multiplies by 1000 still fits its integers.
MANY: Final = 1_000_000
# Descriptors a worker needs besides its connections: listeners, logs, temporary files.
SPARE_DESCRIPTORS: Final = 512

_SECONDS = Whole(1, DAY_SECONDS)
_COUNT = Whole(1, MANY)


class DescriptionError(ValueError):
    """A description that cannot be used: the field, what was found there, what is expected."""

    def __init__(self, name: str, found: object, expected: str) -> None:
        self.name = name
        self.found = found
        self.expected = expected
        super().__init__(f"{name}: found {_shown(found)}, expected {expected}")

    def within(self, section: str) -> "DescriptionError":
        """The same error, seen from the section's owner."""
        return DescriptionError(f"{section}.{self.name}", self.found, self.expected)


@dataclass(frozen=True)
class Setting:
    """What is known of a field besides its value."""

    kind: Kind
    unit: str
    why: str
    variable: str | None = None


def _setting(default: T, kind: Kind, unit: str, why: str, variable: str | None = None) -> T:
    """A field with its default; typed as its value, which is what a reader of it gets."""
    return field(default=default, metadata={"setting": Setting(kind, unit, why, variable)})


def settings(owner: type) -> Iterator[tuple[str, Setting]]:
    """The fields of a section that hold values, in order."""
    for item in fields(owner):
        if "setting" in item.metadata:
            yield item.name, item.metadata["setting"]


def sections(owner: type) -> Iterator[tuple[str, type]]:
    """The fields of a description that are sections of their own, in order."""
    for item in fields(owner):
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield item.name, item.type


class _Checked:
    """Checks every field when built, however it is built."""

    def __post_init__(self) -> None:
        for name, setting in settings(type(self)):
            found = getattr(self, name)
            try:
                # Lists become tuples, so that a description stays frozen.
                object.__setattr__(self, name, setting.kind.check(found))
            except ValueRefused as error:
                raise DescriptionError(name, found, str(error)) from None


@dataclass(frozen=True)
class HttpTier(_Checked):
    """The gunicorn tier."""

    servers: tuple[str, ...] = _setting(
        (),
        ListOf(BACKEND, at_least=1),
        "addresses",
        "where the tier listens; required",
        "CHATIRE_HTTP_SERVERS",
    )
    max_fails: int = _setting(
        3,
        Whole(0, 1000),
        "failures",
        "so many within fail_seconds and a server is left out; 0: never",
    )
    fail_seconds: int = _setting(
        1,
        _SECONDS,
        "s",
        "how long a failing server is left out: short, for one that is back should serve at once, "
        "and asking one that is gone costs a refused connection",
    )
    keepalive: int = _setting(
        16, Whole(0, 10_000), "connections", "idle connections kept for each nginx worker; 0: none"
    )
    keepalive_seconds: int = _setting(
        60,
        _SECONDS,
        "s",
        "how long one is kept idle; below gunicorn's keepalive (75), or a request meets a "
        "connection that is being closed",
    )
    connect_seconds: int = _setting(
        2, _SECONDS, "s", "a server that does not accept is passed over"
    )
    read_seconds: int = _setting(
        30, _SECONDS, "s", "silence of the server before the client gets 504"
    )
    send_seconds: int = _setting(30, _SECONDS, "s", "the same while sending to the server")
    tries: int = _setting(8, Whole(1, 100), "servers", "at most so many are tried for one request")
    tries_seconds: int = _setting(10, _SECONDS, "s", "and no further one after this long")


@dataclass(frozen=True)
class WsTier(_Checked):
    """The uvicorn tier."""

    servers: tuple[str, ...] = _setting(
        (),
        ListOf(BACKEND, at_least=1),
        "addresses",
        "where the tier listens; required",
        "CHATIRE_WS_SERVERS",
    )
    max_fails: int = _setting(
        0,
        Whole(0, 1000),
        "failures",
        "as for http; nginx takes a failed server back only when a request to it has ended, and a "
        "tunnel ends after hours: with another number than 0, workers that are back after a crash "
        "get one socket in two seconds, and all others are refused",
    )
    fail_seconds: int = _setting(1, _SECONDS, "s", "as for http")
    connect_seconds: int = _setting(2, _SECONDS, "s", "as for http")
    idle_seconds: int = _setting(
        65,
        Whole(SHORTEST_WS_IDLE_SECONDS, DAY_SECONDS),
        "s",
        "silence before a tunnel is cut: three pings of 20 s and a margin, so that the "
        "application, which says why it closes, is always first",
    )
    buffer_kib: int = _setting(
        16,
        Whole(2, 64),
        "KiB",
        "what a tunnel holds in each direction; in a first comparison nginx cost a tenth of a "
        "burst's deliveries with 16, a quarter with 8, two fifths with 4; less holds less memory",
    )
    tries: int = _setting(8, Whole(1, 100), "servers", "as for http")
    tries_seconds: int = _setting(
        5, _SECONDS, "s", "as for http; a handshake is quick or not at all"
    )


@dataclass(frozen=True)
class Tls(_Checked):
    """TLS, on when `certificate` and `key` are given."""

    certificate: str | None = _setting(None, Maybe(PATH), "path", "PEM file with the whole chain")
    key: str | None = _setting(None, Maybe(PATH), "path", "PEM file with its private key")
    listen: tuple[str, ...] = _setting(
        ("8443",),
        ListOf(LISTEN, at_least=1),
        "addresses",
        "where HTTPS is served; `listen` then only redirects to it",
    )
    public_port: int = _setting(
        443, Whole(1, 65535), "port", "the port of HTTPS as browsers see it, for the redirect"
    )
    hsts_seconds: int = _setting(
        31_536_000,
        Whole(0, 63_072_000),
        "s",
        "how long browsers insist on HTTPS (Strict-Transport-Security); 0: the header is not sent",
    )

    @property
    def on(self) -> bool:
        """Whether the site is served over TLS."""
        return self.certificate is not None


@dataclass(frozen=True)
class Limits(_Checked):
    """Limits for one address (for IPv6: one /64 network), above the floors of docs/protocol.md."""

    sign_ups_per_minute: int = _setting(
        90, _COUNT, "requests/min", "POST /auth/users/; a person signs up once"
    )
    sign_ups_burst: int = _setting(90, _COUNT, "requests", "so many at once")
    sign_ins_per_minute: int = _setting(
        240,
        _COUNT,
        "requests/min",
        "POST /auth/jwt/create/, /admin/login/ and the account calls that take a password; "
        "what an office of people never meets, and someone who guesses passwords does",
    )
    sign_ins_burst: int = _setting(240, _COUNT, "requests", "so many may wait for their turn")
    sign_ins_at_once: int = _setting(
        8,
        _COUNT,
        "requests",
        "so many are passed on at once, further ones at the rate: a password's hash takes a "
        "quarter of a second of a processor, and a burst would hold every thread of the http tier",
    )
    api_per_second: int = _setting(500, _COUNT, "requests/s", "all of /api/, /auth/ and /admin/")
    api_burst: int = _setting(1000, _COUNT, "requests", "so many at once")
    handshakes_per_second: int = _setting(500, _COUNT, "requests/s", "WebSocket handshakes")
    handshakes_burst: int = _setting(
        2500, _COUNT, "requests", "so many at once: an office of 2,000 clients comes back together"
    )
    connections: int = _setting(
        20_000, Whole(1, 65_535), "connections", "open requests and tunnels together"
    )
    zone_mib: int = _setting(
        10,
        Whole(1, 1024),
        "MiB",
        "memory of each counter; 10 hold some 80,000 addresses, the oldest are forgotten first",
    )
    api_body_kib: int = _setting(
        128,
        Whole(1, MANY),
        "KiB",
        "body under /api/ and /auth/; a message of 2,000 code points, each escaped, has 24",
    )
    admin_body_kib: int = _setting(1024, Whole(1, MANY), "KiB", "body under /admin/")


@dataclass(frozen=True)
class Clients(_Checked):
    """Patience with clients."""

    header_seconds: int = _setting(10, _SECONDS, "s", "for the whole head of a request")
    body_seconds: int = _setting(10, _SECONDS, "s", "between two pieces of a body")
    send_seconds: int = _setting(30, _SECONDS, "s", "between two pieces of an answer taken")
    keepalive_seconds: int = _setting(60, _SECONDS, "s", "an idle connection is kept")


@dataclass(frozen=True)
class Log(_Checked):
    """What is written down about requests."""

    format: str = _setting("plain", one_of("plain", "json"), "", "one line a request")
    access: str = _setting("/dev/stdout", ACCESS_LOG, "path", "where to; off: nowhere")
    error: str = _setting("stderr", ERROR_LOG, "path", "where errors go")
    level: str = _setting(
        "error",
        one_of("warn", "error", "crit"),
        "",
        "least severity; warn adds lines that tell whole addresses, query string included",
    )


@dataclass(frozen=True)
class Process(_Checked):
    """nginx's own processes and files."""

    workers: str = _setting(
        "2",
        PROCESSES,
        "processes",
        "10,000 sockets are 20,000 descriptors, the usual hard limit of one process: two at least",
    )
    connections: int = _setting(
        16_384,
        Whole(64, MANY),
        "connections",
        "for each worker, those to the tiers included: a socket takes two",
    )
    open_files: int = _setting(
        20_000, Whole(1024, MANY), "descriptors", "for each worker; not above the hard limit"
    )
    user: str | None = _setting(
        None,
        Maybe(SYSTEM_USER),
        "",
        "workers run as this user; only where nginx is started as root",
    )
    pid: str = _setting("/tmp/nginx.pid", PATH, "path", "the master's process id")  # noqa: S108
    temp: str = _setting(
        "/tmp",  # noqa: S108
        PATH,
        "path",
        "existing directory for bodies and answers too large for memory: the only one written to",
    )


@dataclass(frozen=True)
class Description(_Checked):
    """A whole site."""

    server_names: tuple[str, ...] = _setting(
        (),
        ListOf(SERVER_NAME),
        "names",
        "names the site answers to, others get 421; none: any name; required with TLS",
        "CHATIRE_SERVER_NAMES",
    )
    listen: tuple[str, ...] = _setting(
        ("8080",), ListOf(LISTEN), "addresses", "where HTTP is served", "CHATIRE_LISTEN"
    )
    ui_root: str = _setting("/srv/chatire/ui", PATH, "path", "the built page: index.html, assets/")
    acme_webroot: str | None = _setting(
        None,
        Maybe(PATH),
        "path",
        "directory in which an ACME client puts .well-known/acme-challenge/, served over HTTP",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        ListOf(NETWORK),
        "networks",
        "proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed",
    )
    nginx_version: str = _setting(
        "1.26.3", VERSION, "", "the nginx that will read it (Debian 13: 1.26, Debian 12: 1.22)"
    )
    http: HttpTier = field(kw_only=True)
    ws: WsTier = field(kw_only=True)
    tls: Tls = field(default_factory=Tls, kw_only=True)
    limits: Limits = field(default_factory=Limits, kw_only=True)
    clients: Clients = field(default_factory=Clients, kw_only=True)
    log: Log = field(default_factory=Log, kw_only=True)
    process: Process = field(default_factory=Process, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_tls()
        self._check_listen()
        self._check_process()

    def _check_tls(self) -> None:
        if (self.tls.certificate is None) != (self.tls.key is None):
            missing = "tls.certificate" if self.tls.certificate is None else "tls.key"
            raise DescriptionError(missing, None, "certificate and key, or neither")
        if self.tls.on and not self.server_names:
            # The redirect to HTTPS names the host that was asked for; only names that are known
            # to be one's own may stand there.
            raise DescriptionError(
                "server_names", self.server_names, "at least one name where TLS is on"
            )

    def _check_listen(self) -> None:
        if not self.tls.on and not self.listen:
            raise DescriptionError("listen", self.listen, "at least one address where TLS is off")
        if self.acme_webroot and not self.listen:
            raise DescriptionError(
                "listen", self.listen, "at least one address for acme_webroot, which goes over HTTP"
            )
        if self.tls.on:
            ports = {split_port(address)[1] for address in self.listen}
            for address in self.tls.listen:
                if split_port(address)[1] in ports:
                    raise DescriptionError("tls.listen", address, "a port that listen does not use")

    def _check_process(self) -> None:
        needed = self.process.connections + SPARE_DESCRIPTORS
        if self.process.open_files < needed:
            raise DescriptionError(
                "process.open_files",
                self.process.open_files,
                f"at least {needed}: process.connections and {SPARE_DESCRIPTORS} to spare",
            )


def _shown(found: object) -> str:
    """A value as one line of an error message."""
    if found is None or found == ():
        return "nothing"
    return json.dumps(found, default=str)
