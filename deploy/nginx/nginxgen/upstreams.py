"""The two tiers as nginx sees them, and how a request is handed on."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from nginxgen.builder import Block, Comment, Directive, Node, Quoted, block, directive
from nginxgen.description import Description, HttpTier, WsTier
from nginxgen.headers import hidden_from_tiers

# Counts of open requests and failures, shared by the workers; holds some hundred servers.
_ZONE: Final = "128k"
# Head of an answer: a page of cookies and policies fits.
_HEAD_BUFFER: Final = "8k"
# An answer is taken off a gunicorn thread at once, whatever the client's line: 128 KiB in memory,
# the rest (a page of 200 long messages has 1.6 MiB) in a temporary file.
_BUFFERS: Final = (16, "8k")
_LARGEST_TEMPORARY_FILE: Final = "16m"


def upstreams(description: Description) -> Iterator[Block]:
    """The upstreams `http` and `ws`."""
    http = description.http
    keepalive: list[Node] = []
    if http.keepalive:
        keepalive = [
            directive("keepalive", http.keepalive),
            directive("keepalive_timeout", f"{http.keepalive_seconds}s"),
        ]
    yield block("upstream", "http", children=[*_servers("http", http), *keepalive])
    yield block("upstream", "ws", children=_servers("ws", description.ws))


def _servers(name: str, tier: HttpTier | WsTier) -> Iterator[Node]:
    yield directive("zone", name, _ZONE)
    yield directive("least_conn")
    for server in tier.servers:
        fails = f"max_fails={tier.max_fails}"
        yield directive("server", server, fails, f"fail_timeout={tier.fail_seconds}s")


def forwarding_variables(description: Description) -> Iterator[Node]:
    """What the tiers are told of the client; only trusted proxies are believed."""
    proxies = description.trusted_proxies
    for network in proxies:
        yield directive("set_real_ip_from", network)
    if proxies:
        yield directive("real_ip_header", "X-Forwarded-For")
        yield directive("real_ip_recursive", "on")
        yield block(
            "geo",
            "$realip_remote_addr",
            "$through_trusted_proxy",
            children=[
                directive("default", 0),
                *(directive(str(ipaddress.ip_network(network)), 1) for network in proxies),
            ],
        )
        yield block(
            "map",
            Quoted("$through_trusted_proxy $http_x_forwarded_proto"),
            "$forwarded_proto",
            children=[
                directive("default", "$scheme"),
                directive(Quoted("1 https"), "https"),
                directive(Quoted("1 http"), "http"),
            ],
        )
    yield Comment(
        "The port that the client wrote, which a published port of a container differs from.\n"
        "The name is $host, which nginx has checked."
    )
    yield block(
        "map",
        "$http_host",
        "$forwarded_port",
        children=[
            directive("default", Quoted("")),
            directive(Quoted("~(?<port_asked>:[0-9]{1,5})$"), "$port_asked"),
        ],
    )


def handing_on(description: Description) -> Iterator[Node]:
    """How a server hands requests to the http tier; `ws_handing_on` overrides it for /ws/."""
    http = description.http
    yield directive("proxy_http_version", "1.1")
    yield from _client_headers(description, connection=Quoted(""))
    yield from hidden_from_tiers()
    yield directive("proxy_connect_timeout", f"{http.connect_seconds}s")
    yield directive("proxy_read_timeout", f"{http.read_seconds}s")
    yield directive("proxy_send_timeout", f"{http.send_seconds}s")
    yield Comment("Without non_idempotent: a POST goes to another server only if none has seen it.")
    yield directive("proxy_next_upstream", "error", "timeout")
    yield from _tries(http)
    yield directive("proxy_intercept_errors", "off")
    yield directive("proxy_redirect", "off")
    yield directive("proxy_buffer_size", _HEAD_BUFFER)
    yield directive("proxy_buffers", *_BUFFERS)
    yield directive("proxy_max_temp_file_size", _LARGEST_TEMPORARY_FILE)


def ws_handing_on(description: Description) -> Iterator[Node]:
    """How /ws/ hands a handshake to the ws tier, and what then holds for the tunnel."""
    ws = description.ws
    yield from _client_headers(description, connection=Quoted("upgrade"))
    yield directive("proxy_set_header", "Upgrade", "websocket")
    yield directive("proxy_connect_timeout", f"{ws.connect_seconds}s")
    yield Comment("The tier pings every 20 s, so silence of this length means that it is gone.")
    yield directive("proxy_read_timeout", f"{ws.idle_seconds}s")
    yield directive("proxy_send_timeout", f"{ws.idle_seconds}s")
    yield directive("send_timeout", f"{ws.idle_seconds}s")
    yield Comment("A draining or deaf worker answers handshakes 503: the next one is asked.")
    yield directive("proxy_next_upstream", "error", "timeout", "http_503")
    yield from _tries(ws)
    yield directive("proxy_buffering", "off")
    yield Comment("A tunnel has one of these for each direction, for as long as it lives.")
    yield directive("proxy_buffer_size", f"{ws.buffer_kib}k")
    yield Comment("A tier's host that vanished without a word is noticed.")
    yield directive("proxy_socket_keepalive", "on")


def _tries(tier: HttpTier | WsTier) -> Iterator[Directive]:
    yield directive("proxy_next_upstream_tries", tier.tries)
    yield directive("proxy_next_upstream_timeout", f"{tier.tries_seconds}s")


def _client_headers(description: Description, connection: Quoted) -> Iterator[Directive]:
    """Headers to a tier. A location with one of these inherits none, so they come together."""
    proto = "$forwarded_proto" if description.trusted_proxies else "$scheme"
    yield directive("proxy_set_header", "Host", "$host$forwarded_port")
    # Written anew, never appended to: what the client claimed about itself is not passed on.
    yield directive("proxy_set_header", "X-Forwarded-For", "$remote_addr")
    yield directive("proxy_set_header", "X-Forwarded-Proto", proto)
    yield directive("proxy_set_header", "X-Real-IP", "$remote_addr")
    yield directive("proxy_set_header", "X-Request-ID", "$request_id")
    for claimed in ("Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server"):
        yield directive("proxy_set_header", claimed, Quoted(""))
    # httpoxy: CGI-like programs would take it for their own proxy setting.
    yield directive("proxy_set_header", "Proxy", Quoted(""))
    yield directive("proxy_set_header", "Connection", connection)
