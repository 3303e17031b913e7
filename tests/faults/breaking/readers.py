"""Clients that take what they are given and read none of it."""

from __future__ import annotations

import base64
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from ledger.people import Person

# The smallest receive buffer that the kernel gives: what is not read fills the server's side.
RECEIVE_BYTES = 2048


class Stalled:
    """One WebSocket in a chat that is opened and never read from again."""

    def __init__(self, person: Person, uri: str) -> None:
        address, tls = urlsplit(person.http.url), person.http.tls
        assert address.hostname
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.settimeout(20)
        self.socket.connect((address.hostname, address.port or (443 if tls else 80)))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address.hostname)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.socket.sendall(
            f"GET /ws/chats/{uri}/ HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: chatire, jwt.{person.access}\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(1)
            assert piece, f"the handshake was cut: {answer!r}"
            answer += piece
        assert b" 101 " in answer.split(b"\r\n")[0], answer[:200]

    def ended(self, within: float) -> int:
        """Read what is left, to the end; the close code, 1006 for none, 0 if it does not end."""
        deadline, tail = time.monotonic() + within, b""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return 0
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                piece = b""
            if not piece:
                break
            tail = (tail + piece)[-200:]
        # The last frame is a close frame of a code and a reason, if any came.
        at = tail.rfind(b"\x88")
        return (
            int.from_bytes(tail[at + 2 : at + 4], "big") if at >= 0 and len(tail) > at + 3 else 1006
        )


@contextmanager
def stalled(person: Person, uri: str, count: int) -> Iterator[list[Stalled]]:
    """So many of them in one chat."""
    readers: list[Stalled] = []
    try:
        # One by one: those that are open are closed when the next one fails.
        readers.extend(Stalled(person, uri) for _ in range(count))
        yield readers
    finally:
        for each in readers:
            each.socket.close()
