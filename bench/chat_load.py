"""The load: a few accounts, light sockets, posts over one kept-alive connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

# The accounts of a run are found and removed by it.
PREFIX = "smoke-bench-"
# How long anything may take before the run gives up instead of hanging.
PATIENCE = 30.0


@dataclass(frozen=True)
class Account:
    username: str
    access: str


class Api:
    """The few calls a load needs before it begins."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"{PREFIX}{secrets.token_hex(4)}-"
        self._client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def account(self, name: str) -> Account:
        """A new account, signed in."""
        body = {"username": f"{self.prefix}{name}", "password": secrets.token_urlsafe(16)}
        self._client.post("/auth/users/", json=body).raise_for_status()
        answer = self._client.post("/auth/jwt/create/", json=body).raise_for_status()
        return Account(body["username"], answer.json()["access"])

    def chat(self, owner: Account, *members: Account) -> str:
        """A new chat with these members."""
        answer = self._client.post("/api/chats/", headers=signed(owner)).raise_for_status()
        uri: str = answer.json()["uri"]
        for member in members:
            self._client.patch(
                f"/api/chats/{uri}/", headers=signed(member), json={"username": member.username}
            ).raise_for_status()
        return uri

    def close(self) -> None:
        self._client.close()


def signed(account: Account) -> dict[str, str]:
    return {"Authorization": f"JWT {account.access}"}


class Socket(WSListener):
    """One WebSocket; calls back with the time and text of every text frame."""

    def __init__(self, heard: Callable[[float, bytes], None] | None = None) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.gone = asyncio.get_running_loop().create_future()
        self._heard = heard

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            now = time.perf_counter()
            text = frame.get_payload_as_bytes()
            if not self.ready.done() and b'"ready"' in text:
                self.ready.set_result(None)
            if self._heard is not None:
                self._heard(now, text)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was ready"))
        if not self.gone.done():
            self.gone.set_result(None)

    async def close(self) -> None:
        """Say good-bye and wait until the server has."""
        with contextlib.suppress(Exception):
            self.transport.send_close(WSCloseCode.OK)
        await asyncio.wait_for(self.gone, PATIENCE)


async def open_socket(
    url: str,
    account: Account,
    uri: str,
    heard: Callable[[float, bytes], None] | None = None,
) -> Socket:
    """A chat's socket, ready. Raises what the handshake or the wait for `ready` raises."""
    socket = Socket(heard)
    await ws_connect(
        lambda: socket,
        f"ws{url.removeprefix('http')}/ws/chats/{uri}/",
        websocket_handshake_timeout=PATIENCE,
        extra_headers={"Sec-WebSocket-Protocol": f"chatire, jwt.{account.access}"},
    )
    await asyncio.wait_for(socket.ready, PATIENCE)
    return socket


class Poster:
    """Posts messages over one kept-alive connection, with next to no cost of its own."""

    def __init__(self, url: str, account: Account, uri: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._head = (
            f"POST /api/chats/{uri}/messages/ HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: JWT {account.access}\r\nContent-Type: application/json\r\n"
        )

    async def __aenter__(self) -> Poster:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def post(self, text: str) -> dict[str, Any]:
        """Post one message; returns the answer, raises ConnectionError if it is not 201."""
        body = json.dumps({"message": text}).encode()
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        length = next(
            int(line.split(":")[1])
            for line in head.split("\r\n")
            if line.lower().startswith("content-length:")
        )
        content = await self._reader.readexactly(length)
        if " 201 " not in head.split("\r\n", 1)[0]:
            raise ConnectionError(f"{head.splitlines()[0]}: {content.decode()[:500]}")
        answer: dict[str, Any] = json.loads(content)
        return answer


class Window:
    """At most so many tasks at once; the first failure ends the run."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: deque[asyncio.Task[None]] = deque()

    async def add(self, task: asyncio.Task[None]) -> None:
        self._tasks.append(task)
        if len(self._tasks) >= self._size:
            await self._tasks.popleft()

    async def drain(self) -> None:
        while self._tasks:
            await self._tasks.popleft()
