"""Which pages may open a socket: browsers send cookies and tokens of any page's choosing."""

from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1")


def allowed_origins(configured: Iterable[str]) -> frozenset[str]:
    """Return the configured origins; one on loopback stands for both of its names."""
    allowed = set()
    for origin in configured:
        allowed.add(origin.lower())
        parts = urlsplit(origin.lower())
        if parts.hostname in LOOPBACK:
            port = f":{parts.port}" if parts.port else ""
            allowed.update(f"{parts.scheme}://{name}{port}" for name in LOOPBACK)
    return frozenset(allowed)


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the request's Origin, or None when it has none; several are joined, so foreign."""
    found = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
    return ",".join(found) if found else None
