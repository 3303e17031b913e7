"""The server blocks: the site itself, the redirect to HTTPS, and the answer to other names."""

from collections.abc import Iterable, Iterator
from typing import Final

from nginxgen.builder import Block, Comment, Node, Quoted, block, directive
from nginxgen.description import Description
from nginxgen.errors import Failure, answer_in_json, html_page, json_page, token_page
from nginxgen.headers import DATA_POLICY, security_headers
from nginxgen.limits import connections
from nginxgen.logs import refuse_token_in_address
from nginxgen.routes import routes
from nginxgen.upstreams import handing_on
from nginxgen.values import version_numbers

# Handshakes that wait to be accepted when a whole office comes back at once; the kernel's
# somaxconn is the upper bound.
_BACKLOG: Final = "backlog=4096"
# From here on HTTP/2 is a directive of its own, and on `listen` a warning.
_HTTP2_DIRECTIVE_SINCE: Final = (1, 25, 1)
_HTTPS_PORT: Final = 443
# Mozilla's "intermediate": forward secrecy and authenticated encryption only. TLS 1.3 has nothing
# to choose.
_CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
_TO_HTTPS: Final = Failure(308, "https_required", "This site speaks HTTPS: see Location.")
_TO_HTTPS_PAGE: Final = "/_error/https"
_MISDIRECTED: Final = Failure(421, "misdirected", "This server does not serve that name.")
_CHALLENGES: Final = "/.well-known/acme-challenge/"


def servers(description: Description) -> Iterator[Node]:
    """All server blocks. Where names are given, the default server answers to any other."""
    plain, tls = description.listen, description.tls.listen if description.tls.on else ()
    if description.server_names:
        yield Comment("Names that are not this site's.")
        yield _server(description, plain, tls, True, _other_names(description))
    if description.tls.on and plain:
        yield _server(description, plain, (), False, _redirect(description))
        yield _server(description, (), tls, False, _site(description))
    else:
        yield _server(description, plain, tls, not description.server_names, _site(description))


def _server(
    description: Description,
    plain: Iterable[str],
    tls: Iterable[str],
    default: bool,
    children: Iterable[Node],
) -> Block:
    """One server block on these addresses."""
    http2_directive = version_numbers(description.nginx_version) >= _HTTP2_DIRECTIVE_SINCE
    once = ("default_server", _BACKLOG) if default else ()
    head: list[Node] = [directive("listen", address, *once) for address in plain]
    for address in tls:
        words = ("ssl",) if http2_directive else ("ssl", "http2")
        head.append(directive("listen", address, *words, *once))
    names = ("_",) if default else description.server_names
    head.append(directive("server_name", *names))
    if tls:
        if http2_directive:
            head.append(directive("http2", "on"))
        head.append(directive("ssl_certificate", description.tls.certificate or ""))
        head.append(directive("ssl_certificate_key", description.tls.key or ""))
    head += [*security_headers(description, DATA_POLICY), connections(description)]
    return block("server", children=[*head, *answer_in_json(), *children])


def _site(description: Description) -> Iterator[Node]:
    yield refuse_token_in_address()
    yield from handing_on(description)
    if not description.tls.on:
        yield from _challenges(description)
    yield from routes(description)
    yield json_page(description)
    yield html_page(description)
    yield token_page(description)


def _redirect(description: Description) -> Iterator[Node]:
    port = description.tls.public_port
    # $host is one of server_name: another one's address cannot stand in the redirect.
    target = "https://$host" + ("" if port == _HTTPS_PORT else f":{port}") + "$request_uri"
    yield from _challenges(description)
    # nginx's own redirect has a body in HTML, which programs under /api/ must not meet.
    body: list[Node] = [
        directive("internal"),
        directive("default_type", "application/json"),
        *security_headers(description, DATA_POLICY),
        directive("add_header", "Location", Quoted(target), "always"),
        directive("return", 200, Quoted(_TO_HTTPS.body)),
    ]
    yield block("location", "=", _TO_HTTPS_PAGE, children=body)
    yield block(
        "location",
        "/",
        children=[
            directive("error_page", 418, "=308", _TO_HTTPS_PAGE),
            directive("return", 418),
        ],
    )
    yield json_page(description)


def _other_names(description: Description) -> Iterator[Node]:
    # A certificate is asked for from a server that may not be reached under its name yet.
    yield from _challenges(description)
    children: list[Node] = [
        directive("default_type", "application/json"),
        directive("return", _MISDIRECTED.status, Quoted(_MISDIRECTED.body)),
    ]
    yield block("location", "/", children=children)
    yield json_page(description)


def _challenges(description: Description) -> Iterator[Block]:
    if description.acme_webroot is None:
        return
    children = [
        directive("root", description.acme_webroot),
        directive("default_type", "text/plain"),
        directive("try_files", "$uri", "=404"),
    ]
    yield block("location", "^~", _CHALLENGES, children=children)


def tls_settings() -> Iterator[Node]:
    """What holds for every server with TLS."""
    yield directive("ssl_protocols", "TLSv1.2", "TLSv1.3")
    yield directive("ssl_ciphers", _CIPHERS)
    # All of them are good: the client takes what its hardware does best.
    yield directive("ssl_prefer_server_ciphers", "off")
    yield directive("ssl_session_cache", "shared:tls:10m")
    yield directive("ssl_session_timeout", "1d")
    # nginx changes the tickets' key only when it restarts, which ends forward secrecy.
    yield directive("ssl_session_tickets", "off")
