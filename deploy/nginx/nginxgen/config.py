"""The whole nginx.conf."""

from collections.abc import Iterator
from typing import Final

from nginxgen.builder import Block, Comment, Node, Quoted, block, directive, render
from nginxgen.description import Description
from nginxgen.errors import error_variables
from nginxgen.limits import zones
from nginxgen.logs import error_log, logging
from nginxgen.servers import servers, tls_settings
from nginxgen.upstreams import forwarding_variables, upstreams

_HEADING: Final = "Written by nginxgen from a description of the site: change that, not this file."
_NO_SHUTDOWN_TIMEOUT: Final = (
    "No worker_shutdown_timeout: after a reload the old workers serve their open WebSockets until\n"
    "the last one closes. With it, all would be cut at once, without a close frame."
)
# Names that the built page's files have. nginx's own list is elsewhere on every system.
_TYPES: Final = (
    ("text/html", "html"),
    ("text/css", "css"),
    ("text/javascript", "js", "mjs"),
    ("text/plain", "txt"),
    ("text/xml", "xml"),
    ("application/json", "json", "map"),
    ("application/manifest+json", "webmanifest"),
    ("application/wasm", "wasm"),
    ("image/avif", "avif"),
    ("image/gif", "gif"),
    ("image/jpeg", "jpg", "jpeg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg"),
    ("image/webp", "webp"),
    ("image/x-icon", "ico"),
    ("font/ttf", "ttf"),
    ("font/woff", "woff"),
    ("font/woff2", "woff2"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/wav", "wav"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
)
# text/html is always among them.
_COMPRESSED: Final = (
    "text/css",
    "text/javascript",
    "text/plain",
    "text/xml",
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "image/svg+xml",
)
# Below this a compressed file is not smaller in packets.
_LEAST_COMPRESSED: Final = 1024
# Level 5 takes off nearly what 9 does, at a third of the processor time.
_COMPRESSION_LEVEL: Final = 5
# A handshake with its token in Sec-WebSocket-Protocol has about 1.2 KiB of head. What does not fit
# here takes one of the large buffers, and a tunnel would keep that for as long as it lives.
_HEAD_BUFFER: Final = "2k"
_LARGE_HEAD_BUFFERS: Final = (4, "8k")
# A body is taken whole before a tier is troubled with it: the longest message (24 KiB when all of
# it is escaped) in memory, what is larger through a temporary file.
_BODY_BUFFER: Final = "32k"
# Where no location says otherwise nothing takes a body.
_NO_BODY: Final = "1k"
# A browser that keeps its connection is not made to open another.
_KEEPALIVE_REQUESTS: Final = 10_000


def generate(description: Description) -> str:
    """The nginx.conf for a description. The same description gives the same text."""
    return render(_main(description))


def _main(description: Description) -> Iterator[Node]:
    process = description.process
    yield Comment(_HEADING)
    if process.user is not None:
        yield directive("user", process.user)
    yield directive("worker_processes", process.workers)
    yield directive("worker_rlimit_nofile", process.open_files)
    yield directive("pid", process.pid)
    yield directive("pcre_jit", "on")
    yield error_log(description)
    yield Comment(_NO_SHUTDOWN_TIMEOUT)
    yield block("events", children=[directive("worker_connections", process.connections)])
    yield block("http", children=_http(description))


def _http(description: Description) -> Iterator[Node]:
    yield block("types", children=[directive(kind, *names) for kind, *names in _TYPES])
    yield directive("default_type", "application/octet-stream")
    yield directive("server_tokens", "off")
    yield Comment("Redirects name no host and no port: nginx does not know those that clients see.")
    yield directive("absolute_redirect", "off")
    yield directive("sendfile", "on")
    yield directive("tcp_nopush", "on")
    yield from _patience(description)
    yield from _buffers()
    yield from _temporary_files(description)
    yield from _compression()
    yield from logging(description)
    yield from forwarding_variables(description)
    yield _handshake()
    yield from error_variables()
    yield from zones(description)
    if description.tls.on:
        yield from tls_settings()
    yield from upstreams(description)
    yield from servers(description)


def _patience(description: Description) -> Iterator[Node]:
    clients = description.clients
    yield directive("client_header_timeout", f"{clients.header_seconds}s")
    yield directive("client_body_timeout", f"{clients.body_seconds}s")
    yield directive("send_timeout", f"{clients.send_seconds}s")
    yield directive("keepalive_timeout", f"{clients.keepalive_seconds}s")
    yield directive("keepalive_requests", _KEEPALIVE_REQUESTS)
    yield Comment("A client that let a time-out pass is dropped with what was meant for it.")
    yield directive("reset_timedout_connection", "on")


def _buffers() -> Iterator[Node]:
    yield directive("client_header_buffer_size", _HEAD_BUFFER)
    yield directive("large_client_header_buffers", *_LARGE_HEAD_BUFFERS)
    yield directive("client_body_buffer_size", _BODY_BUFFER)
    yield directive("client_max_body_size", _NO_BODY)


def _temporary_files(description: Description) -> Iterator[Node]:
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        path = f"{description.process.temp.rstrip('/')}/nginx-{kind.replace('_', '-')}"
        yield directive(f"{kind}_temp_path", path)


def _compression() -> Iterator[Node]:
    yield Comment(
        "Only files are compressed (`gzip on` in their locations). Under TLS, the length of a\n"
        "compressed answer that holds a secret beside a stranger's text gives the secret away\n"
        "(BREACH): so nothing under /api/, /auth/ and /admin/."
    )
    yield directive("gzip_types", *_COMPRESSED)
    yield directive("gzip_min_length", _LEAST_COMPRESSED)
    yield directive("gzip_comp_level", _COMPRESSION_LEVEL)
    yield directive("gzip_proxied", "any")
    yield directive("gzip_vary", "on")


def _handshake() -> Block:
    """Whether a request is a WebSocket handshake: anything else under /ws/ is 426."""
    asked = Quoted("$server_protocol $request_method $http_upgrade $http_connection")
    # Each part of Connection can be read in one way only, or a long one would take for ever.
    handshake = Quoted("~*^HTTP/1[.]1 GET websocket (?:[^ ,]+, *)*upgrade *(?:,|$)")
    children = [directive("default", 0), directive(handshake, 1)]
    return block("map", asked, "$handshake", children=children)
