"""Which address goes where: the locations of the site."""

from collections.abc import Iterable, Iterator
from typing import Final

from nginxgen.builder import Block, Comment, Directive, Node, Quoted, block, directive
from nginxgen.description import Description
from nginxgen.errors import answer_in_html
from nginxgen.headers import (
    ADMIN_POLICY,
    DATA_POLICY,
    PAGE_POLICY,
    cache_control,
    security_headers,
)
from nginxgen.limits import limit_accounts, limit_admin, limit_calls, limit_handshakes
from nginxgen.logs import quiet_errors
from nginxgen.upstreams import ws_handing_on

_HTTP: Final = "http://http"
_WS: Final = "http://ws"

# The page itself is asked for anew each time: it names the assets of one release.
_PAGE_CACHE: Final = "no-cache"
# Their names change with their content.
_ASSET_CACHE: Final = "public, max-age=31536000, immutable"
# Icons and the like keep their names: an hour, so that a new one is seen the same day.
_FILE_CACHE: Final = "public, max-age=3600"
# What may lie beside index.html. No scripts or pages: those have hashed names or are index.html.
_FILES: Final = "~ ^/[A-Za-z0-9_-]+[.](?:ico|svg|png|webp|jpg|txt|xml|webmanifest|json)$"


def routes(description: Description) -> Iterator[Node]:
    """Every location of the site."""
    yield from _ws(description)
    yield from _http(description)
    yield from _page(description)
    yield Comment("Figures are for the operator, not for the public.")
    yield block("location", "=", "/metrics", children=_nothing())
    yield block("location", "/", children=_nothing())


def _ws(description: Description) -> Iterator[Block]:
    children: list[Node] = [
        block("if", "($handshake", "=", "0)", children=[directive("return", 426)]),
        *quiet_errors(description),
        *limit_handshakes(description),
        *ws_handing_on(description),
        directive("proxy_pass", _WS),
    ]
    yield block("location", "/ws/", children=children)
    # Without these, nginx would answer with a redirect in HTML.
    for slashless in ("/ws", "/api"):
        yield block("location", "=", slashless, children=[directive("return", 404)])


def _http(description: Description) -> Iterator[Block]:
    limits = description.limits
    yield _tier("/api/", [_largest_body(limits.api_body_kib), *limit_calls(description)])
    yield _tier("/auth/", [_largest_body(limits.api_body_kib), *limit_accounts(description)])
    for health in ("/healthz", "/readyz"):
        children = [*limit_calls(description), _pass()]
        yield block("location", "=", health, children=children)
    admin = [
        *security_headers(description, ADMIN_POLICY),
        *answer_in_html(),
        _largest_body(limits.admin_body_kib),
        *limit_admin(description),
    ]
    yield _tier("/admin/", admin)
    yield _tier("/static/", [*answer_in_html(), directive("gzip", "on")])


def _page(description: Description) -> Iterator[Node]:
    page = [
        *_file_headers(description, PAGE_POLICY, _PAGE_CACHE),
        *_whole_each_time(),
        directive("try_files", "/index.html", "=404"),
    ]
    yield Comment("= /auth stands beside the tier's /auth/, to which nginx would redirect it.")
    for match in (("=", "/"), ("=", "/auth"), ("=", "/chats"), ("/chats/",)):
        yield block("location", *match, children=page)
    assets = [
        *_file_headers(description, DATA_POLICY, _ASSET_CACHE),
        directive("try_files", "$uri", "=404"),
    ]
    yield block("location", "/assets/", children=assets)
    files = [
        *_file_headers(description, DATA_POLICY, _FILE_CACHE),
        *_whole_each_time(),
        directive("try_files", "$uri", "=404"),
    ]
    yield block("location", *_FILES.split(" ", 1), children=files)


def _file_headers(description: Description, policy: str, cache: str) -> Iterator[Directive]:
    yield from security_headers(description, policy)
    yield cache_control(cache)
    yield from answer_in_html()
    yield directive("root", description.ui_root)
    yield directive("gzip", "on")


def _whole_each_time() -> Iterator[Node]:
    yield Comment(
        "nginx tells versions apart by size and time, which a reproducible build gives two\n"
        "releases alike: no 304 for the old one."
    )
    yield directive("etag", "off")
    yield directive("if_modified_since", "off")
    yield directive("add_header", "Last-Modified", Quoted(""))


def _tier(path: str, children: Iterable[Node]) -> Block:
    return block("location", path, children=[*children, _pass()])


def _pass() -> Directive:
    return directive("proxy_pass", _HTTP)


def _largest_body(kib: int) -> Directive:
    return directive("client_max_body_size", f"{kib}k")


def _nothing() -> Iterator[Node]:
    yield from answer_in_html()
    yield directive("return", 404)
