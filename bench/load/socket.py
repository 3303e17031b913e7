"""One WebSocket of the load, nearly free while it is measured.

What arrives is kept as it came, with the time; it is read after the run (load/tally.py). uvloop
does the reading in C, and the only Python on the way is a call for each read, however many frames
that read brought. A client that parsed each frame in Python would be the bottleneck of a burst.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Callable
from typing import cast

HANDSHAKE_SECONDS = 60.0
# Text is ASCII, so this byte is a ping's header, or now and then part of a length.
PING = 0x89
CLOSE = 0x88


def client_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a client's frame. The mask is zero: allowed, and costs nobody anything here."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big")
    else:
        raise ValueError(f"a frame of {length} bytes is none that the load sends")
    return head + b"\0\0\0\0" + payload


def walk(stream: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the control frames (opcode, payload) in a server's stream, and where it got to.

    The position is the beginning of the first frame whose head, or for a control frame whose
    payload, is not all there. It may lie beyond the end: inside a text frame that has begun.
    """
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(stream)
    while at + 2 <= end:
        length, head = stream[at + 1] & 0x7F, 2
        if length >= 126:
            head = 4 if length == 126 else 10
            if at + head > end:
                break
            length = int.from_bytes(stream[at + 2 : at + head], "big")
        if stream[at] & 0x08:
            if at + head + length > end:
                break
            found.append((stream[at] & 0x0F, stream[at + head : at + head + length]))
        at += head + length
    return found, at


def _look(ready: asyncio.Future[None]) -> None:
    """A failure is told to whoever waits; when nobody does any more, nobody needs to know."""
    if not ready.cancelled():
        ready.exception()


class Socket(asyncio.Protocol):
    """A socket that records. `chunks` and `times` are what came, and when."""

    def __init__(
        self, request: bytes, greeting: bytes, ready: bytes, heard: Callable[[bytes], None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ready.add_done_callback(_look)
        self.closed: asyncio.Future[None] = loop.create_future()
        self.heard = heard
        self.close_code = 0
        self._request, self._greeting, self._ready_mark = request, greeting, ready
        self._opening = b""
        self._open = False
        # Where the walk for pings stands: the next chunk, and the next frame within it.
        self._walked, self._skip, self._cut = 0, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, but are none by class.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._open:
            self.times.append(time.perf_counter())
            self.chunks.append(data)
            if PING in data or data[0] == CLOSE:
                self._answer()
            if self.heard is not None:
                self.heard(data)
        else:
            self._shake(data)

    def _shake(self, data: bytes) -> None:
        """Take the handshake's answer, then what comes up to the sign that all is ready."""
        self._opening += data
        head, end, rest = self._opening.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            self._fail(f"the handshake was answered with {head.splitlines()[0]!r}")
            return
        if self._greeting:
            self.transport.write(self._greeting)
            self._greeting = b""
        if self._ready_mark in rest:
            # Everything so far belongs to the stream: a resume's messages come before `ready`.
            self._open = True
            self._opening = b""
            self.times.append(time.perf_counter())
            self.chunks.append(rest)
            if not self.ready.done():
                self.ready.set_result(None)
            if self.heard is not None:
                self.heard(rest)

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        self.transport.abort()

    def _answer(self) -> None:
        """Answer pings and a close; frames are walked from where the last walk ended."""
        stream = self._cut + b"".join(self.chunks[self._walked :])
        found, at = walk(stream[self._skip :])
        at += self._skip
        self._walked = len(self.chunks)
        self._cut, self._skip = (stream[at:], 0) if at < len(stream) else (b"", at - len(stream))
        for opcode, payload in found:
            if opcode == 9:
                self.transport.write(client_frame(payload, 10))
            elif opcode == 8:
                self.close_code = int.from_bytes(payload[:2], "big")
                self.transport.write(client_frame(payload[:2], 8))

    def send(self, text: bytes) -> None:
        """Send one text frame."""
        self.transport.write(client_frame(text))

    def forget(self) -> None:
        """Drop what was recorded, between two runs on the same sockets."""
        if self._walked < len(self.chunks):
            stream = self._cut + b"".join(self.chunks[self._walked :])
            _, at = walk(stream[self._skip :])
            at += self._skip
            self._cut, self._skip = (
                (stream[at:], 0) if at < len(stream) else (b"", at - len(stream))
            )
        self.chunks, self.times, self._walked = [], [], 0

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            code = f", close code {self.close_code}" if self.close_code else ""
            self.ready.set_exception(
                ConnectionError(f"closed before it was ready{code}: {self._opening[-200:]!r}")
            )
        if not self.closed.done():
            self.closed.set_result(None)

    async def close(self) -> None:
        """Say good-bye; who does not answer soon is cut."""
        if not self.closed.done():
            self.transport.write(client_frame(b"\x03\xe8", 8))
            try:
                await asyncio.wait_for(asyncio.shield(self.closed), 5)
            except TimeoutError:
                self.transport.abort()


def handshake(path: str, host: str, headers: dict[str, str]) -> bytes:
    """Return a handshake's request."""
    key = b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *[f"{name}: {value}" for name, value in headers.items()],
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(
    host: str,
    port: int,
    request: bytes,
    *,
    greeting: bytes = b"",
    ready: bytes,
    heard: Callable[[bytes], None] | None = None,
) -> Socket:
    """Open a socket and wait until `ready` has come.

    Raises ConnectionError or TimeoutError, and closes what it has opened.
    """
    loop = asyncio.get_running_loop()
    socket = Socket(request, greeting, ready, heard)
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        transport, _ = await loop.create_connection(lambda: socket, host, port)
        try:
            await asyncio.shield(socket.ready)
        except BaseException:
            transport.abort()
            # What the end of this socket will say is known already.
            socket.ready.cancel()
            raise
    return socket
