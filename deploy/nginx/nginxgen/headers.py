"""Security headers, whole for each answer.

Each server has a complete list, the strictest, for what is no page. nginx drops every inherited
`add_header` in a location that has one of its own, so such a location gets a complete list again.
The tiers' own headers of the same names are dropped (`hidden_from_tiers`), so that a browser meets
each once.
"""

from collections.abc import Iterator
from typing import Final

from nginxgen.builder import Directive, Quoted, directive
from nginxgen.description import Description

# The page: everything from its own origin. 'self' in connect-src covers the WebSocket on the same
# host and port in all current browsers (CSP 3; Chromium, Firefox, Safari from 15.4).
# data: images are small pictures that Vite writes into the style sheet.
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Django's admin brings its scripts, styles and pictures as files; nothing of it is inline, and
# its forms go to itself. It has no use for fonts, media, workers or connections of its own
# choosing, except the search of its autocomplete fields.
ADMIN_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Answers for programs, files and errors: should a browser ever show one as a page, it does nothing.
DATA_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Powers the chat does not use, so that nothing that gets into the page can. What is not named
# (clipboard, share, notifications, sound) stays as browsers have it for the page's own origin.
PERMISSIONS: Final = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "payment=(), usb=()"
)

_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # A chat's address is what lets one join it: it is told to nobody else.
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", PERMISSIONS),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_POLICY: Final = "Content-Security-Policy"
_HSTS: Final = "Strict-Transport-Security"


def security_headers(description: Description, policy: str) -> Iterator[Directive]:
    """Every security header, with this content security policy."""
    yield _header(_POLICY, policy)
    for name, value in _ALWAYS:
        yield _header(name, value)
    if description.tls.on and description.tls.hsts_seconds:
        # Without includeSubDomains: the other names of a domain are not this site's to decide on.
        yield _header(_HSTS, f"max-age={description.tls.hsts_seconds}")


def hidden_from_tiers() -> Iterator[Directive]:
    """The tiers' headers that nginx sets itself are not passed on as a second copy."""
    for name in (_POLICY, *(name for name, _ in _ALWAYS), _HSTS):
        yield directive("proxy_hide_header", name)


def cache_control(value: str) -> Directive:
    """How long a good answer may be kept. Not `always`: an error, kept for a year, would outlive
    its cause."""
    return directive("add_header", "Cache-Control", Quoted(value))


def _header(name: str, value: str) -> Directive:
    return directive("add_header", name, Quoted(value), "always")
