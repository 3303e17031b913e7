"""nginx's own errors: JSON where programs ask, a small page where people do.

Only what nginx itself refuses or cannot reach comes from here; what a tier answers passes as it
is (`proxy_intercept_errors off`). Each context sends its errors to one internal location, which
answers with the status the error had and the body that a map gives for it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from nginxgen.builder import Block, Directive, Node, Quoted, block, directive
from nginxgen.description import Description
from nginxgen.headers import DATA_POLICY, security_headers

# After so many seconds a client may try again. One, for the rates are such that a place is free
# by then; two where a tier is away, for a process takes about that long to start.
_THROTTLED_RETRY_SECONDS: Final = 1
_UNAVAILABLE_RETRY_SECONDS: Final = 2

_JSON_PAGE: Final = "/_error/json"
_HTML_PAGE: Final = "/_error/html"
# Where a request with a token in its address ends (`logs.refuse_token_in_address`).
TOKEN_IN_ADDRESS_PAGE: Final = "/_error/token"  # noqa: S105


@dataclass(frozen=True)
class Failure:
    """One of nginx's own errors. `private` are numbers that only nginx knows it by."""

    status: int
    code: str
    detail: str
    retry_seconds: int | None = None
    private: tuple[int, ...] = ()

    @property
    def body(self) -> str:
        """What a program reads."""
        return json.dumps({"detail": self.detail, "code": self.code})

    @property
    def page(self) -> str:
        """What a person reads."""
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            # No style sheet: the policy of what is no page allows none. Readable on a phone, and at
            # night, all the same.
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{self.status}</title><h1>{self.detail}</h1>"
            '<p><a href="/">Start page</a></p></html>'
        )


_AWAY: Final = "The server cannot answer right now. Try again in a moment."

_FAILURES: Final = (
    # A bad client certificate, none, plain HTTP on a port for HTTPS.
    Failure(400, "bad_request", "The request is not valid HTTP.", private=(495, 496, 497)),
    Failure(403, "forbidden", "Not allowed."),
    Failure(404, "not_found", "Not found."),
    Failure(405, "method_not_allowed", "Method not allowed."),
    Failure(411, "length_required", "A Content-Length is required."),
    Failure(413, "too_large", "The request body is too large."),
    Failure(414, "uri_too_long", "The address is too long."),
    Failure(426, "upgrade_required", "This address speaks WebSocket only."),
    Failure(
        429, "throttled", "Too many requests. Try again in a moment.", _THROTTLED_RETRY_SECONDS
    ),
    # A head that is too large.
    Failure(431, "headers_too_large", "The request headers are too large.", private=(494,)),
    Failure(500, "error", "Something went wrong."),
    Failure(501, "not_implemented", "Not implemented."),
    Failure(502, "unavailable", _AWAY, _UNAVAILABLE_RETRY_SECONDS),
    Failure(503, "unavailable", _AWAY, _UNAVAILABLE_RETRY_SECONDS),
    Failure(504, "unavailable", _AWAY, _UNAVAILABLE_RETRY_SECONDS),
    Failure(505, "http_version", "This version of HTTP is not supported."),
)
_UNKNOWN: Final = Failure(500, "error", "Something went wrong.")
_TOKEN_IN_ADDRESS: Final = Failure(
    400,
    "token_in_url",
    "A token never stands in an address. Treat the one that was sent as known to others.",
)


def error_variables() -> Iterator[Block]:
    """What stands in an error's answer, by its status."""
    yield _by_status("$error_in_json", lambda failure: failure.body)
    yield _by_status("$error_in_html", lambda failure: failure.page)
    retries = [
        directive(failure.status, failure.retry_seconds)
        for failure in _FAILURES
        if failure.retry_seconds
    ]
    yield block(
        "map", "$status", "$retry_after", children=[directive("default", Quoted("")), *retries]
    )
    # An empty header is not sent. In HTTP/2 neither of these may be.
    for name, value in (("$offered_upgrade", "websocket"), ("$offered_connection", "Upgrade")):
        children = [
            directive("default", Quoted("")),
            directive(Quoted("426 HTTP/1.0"), value),
            directive(Quoted("426 HTTP/1.1"), value),
        ]
        yield block("map", Quoted("$status $server_protocol"), name, children=children)


def answer_in_json() -> Iterator[Directive]:
    """The errors of this context as JSON."""
    return _answer(_JSON_PAGE)


def answer_in_html() -> Iterator[Directive]:
    """The errors of this context as a small page."""
    return _answer(_HTML_PAGE)


def json_page(description: Description) -> Block:
    """The location that `answer_in_json` points at."""
    children = [
        *_page_head(description, "application/json"),
        directive("add_header", "Upgrade", "$offered_upgrade", "always"),
        directive("add_header", "Connection", "$offered_connection", "always"),
        # 200 is never seen: the status of the error that led here is the one sent.
        directive("return", 200, "$error_in_json"),
    ]
    return block("location", "=", _JSON_PAGE, children=children)


def html_page(description: Description) -> Block:
    """The location that `answer_in_html` points at."""
    children = [*_page_head(description, "text/html"), directive("return", 200, "$error_in_html")]
    return block("location", "=", _HTML_PAGE, children=children)


def token_page(description: Description) -> Block:
    """The location that a request with a token in its address is sent to."""
    failure = _TOKEN_IN_ADDRESS
    children = [
        *_page_head(description, "application/json"),
        directive("return", failure.status, Quoted(failure.body)),
    ]
    return block("location", "=", TOKEN_IN_ADDRESS_PAGE, children=children)


def _page_head(description: Description, kind: str) -> Iterator[Node]:
    yield directive("internal")
    yield directive("default_type", kind)
    # Or the refusal of a body in pieces is refused here once more, and nginx's own page is shown.
    yield directive("client_max_body_size", 0)
    yield from security_headers(description, DATA_POLICY)
    yield directive("add_header", "Retry-After", "$retry_after", "always")


def _answer(page: str) -> Iterator[Directive]:
    yield directive("error_page", *(failure.status for failure in _FAILURES), page)
    for failure in _FAILURES:
        if failure.private:
            yield directive("error_page", *failure.private, f"={failure.status}", page)


def _by_status(variable: str, answer: Callable[[Failure], str]) -> Block:
    children = [
        directive("default", Quoted(answer(_UNKNOWN))),
        *(directive(failure.status, Quoted(answer(failure))) for failure in _FAILURES),
    ]
    return block("map", "$status", variable, children=children)
