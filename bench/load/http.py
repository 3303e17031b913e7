"""HTTP requests over a kept connection, with next to no cost of their own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

ANSWER_SECONDS = 30.0


class Connection:
    """One kept-alive connection to one server; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str = ""
    ) -> tuple[int, bytes]:
        """Send a request; returns the status and the body. Raises OSError, TimeoutError."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}"]
        if body is not None:
            lines.append("Content-Type: application/json")
        if token:
            lines.append(f"Authorization: JWT {token}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answer()

    async def _answer(self) -> tuple[int, bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        before, found, after = head.partition(b"\r\ncontent-length:")
        if found:
            content = await self._reader.readexactly(int(after.split(b"\r\n", 1)[0]))
        elif b"transfer-encoding: chunked" in before:
            content = await self._chunks()
        else:
            content = b""
        if b"\r\nconnection: close" in head:
            # Opened again, as any client would.
            self._writer.close()
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return status, content

    async def _chunks(self) -> bytes:
        content = b""
        while size := int(await self._reader.readline(), 16):
            content += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return content
