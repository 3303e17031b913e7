"""What gunicorn refuses by itself, before there is a request for Django: JSON, as all else is."""

from __future__ import annotations

import json
import socket

from gunicorn import util


def write_error(sock: socket.socket, status_int: int, reason: str, mesg: str) -> None:
    """Answer with a problem of docs/protocol.md; the connection is closed behind it.

    Takes the place of gunicorn's own, which has no setting and writes HTML.
    """
    detail = mesg or f"{reason}."
    body = json.dumps({"detail": detail, "code": reason.lower().replace(" ", "_")})
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\n"
        "Connection: close\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, (head + body).encode("ascii"))


def install() -> None:
    """Have gunicorn answer so, in this process and those that it forks."""
    util.write_error = write_error
