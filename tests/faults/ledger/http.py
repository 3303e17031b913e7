"""A small HTTP/1.1 client: kept-alive connections, JSON, and next to no cost of its own.

The clients of a ledger share one; what a browser would do by itself is done here: a request on a
kept-alive connection that turns out to be closed is sent once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

# Longer than nginx waits for a tier (30 s), so that it is nginx who says so.
PATIENCE = 35.0


class Unreachable(Exception):
    """No answer: refused, cut, or silent for too long."""


class Untrusted(Exception):
    """The server's certificate is not vouched for; asking again does not change that."""


def trust(url: str, ca: str | None) -> ssl.SSLContext | None:
    """What an address is verified against: the CAs in a file, else the system's; None for http.

    Raises OSError when the file cannot be read or holds no certificate.
    """
    if urlsplit(url).scheme != "https":
        return None
    # Without a file, OpenSSL's own variables (SSL_CERT_FILE) hold as for any program.
    return ssl.create_default_context(cafile=ca)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks to wait; 0 where it does not."""
        told = self.headers.get("retry-after", "0")
        return float(told) if told.isdecimal() else 0.0


@dataclass(frozen=True)
class Link:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass
class Http:
    """Requests to one origin, such as http://localhost:8080."""

    url: str
    tls: ssl.SSLContext | None = None
    # Asked for, where that is not what the address says.
    host: str = ""
    # Requests that a closing connection swallowed, sent once more on a fresh one.
    resent: int = 0
    _idle: deque[Link] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        self._address = urlsplit(self.url)
        if self.tls is None:
            self.tls = trust(self.url, None)

    async def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        patience: float = PATIENCE,
    ) -> Answer:
        """Send one request; returns its answer, raises Unreachable or Untrusted."""
        raw = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host or self._address.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
            + (f"Authorization: JWT {token}\r\n" if token else "")
        )
        sent = head.encode() + b"\r\n" + raw
        try:
            async with asyncio.timeout(patience):
                while self._idle:
                    link = self._idle.pop()
                    if not link.reader.at_eof():
                        try:
                            return await self._exchange(link, sent)
                        except (ConnectionError, asyncio.IncompleteReadError) as error:
                            if getattr(error, "partial", b""):
                                raise
                            self.resent += 1
                return await self._exchange(await self._connect(), sent)
        except TimeoutError:
            raise Unreachable(f"no answer within {patience:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(error.verify_message) from None
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    async def _connect(self) -> Link:
        port = self._address.port or (443 if self.tls else 80)
        return Link(
            *await asyncio.open_connection(self._address.hostname, port, ssl=self.tls or None)
        )

    async def _exchange(self, link: Link, sent: bytes) -> Answer:
        kept = False
        try:
            link.writer.write(sent)
            answer = await read_answer(link.reader)
            kept = answer.headers.get("connection", "").lower() != "close"
            return answer
        finally:
            if kept:
                self._idle.append(link)
            else:
                link.writer.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer to its end; raises asyncio.IncompleteReadError where it is cut."""
    status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
    return Answer(status, headers, await _body(reader, status, headers))


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> bytes:
    if status == 204:
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        pieces = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(pieces)
    return await reader.readexactly(int(headers.get("content-length", "0")))
