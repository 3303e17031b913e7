"""The flood itself (flood.py says what it is): reads its order as JSON, prints what it was told.

A program that runs in nginx's network; it needs nothing but Python.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ledger.http import Answer, Http, Unreachable, read_answer

NGINX = ("nginx", 8080)
# Who is refused tries again so soon: rude, and yet a bounded load.
KNOCK_SECONDS, POST_SECONDS = 0.1, 0.03
# Frames that go out in one piece: many times what a socket may send at once.
FRAMES = 500
TYPING = b'{"type":"typing"}'
# An answer that takes longer than this never comes.
PATIENCE = 20.0
# The first stalled reader reads on after so long, each further one this much later.
FIRST_STALL, STALL_STEP = 1.0, 0.6
# The smallest receive buffer that the kernel gives: what is not read fills the server's side.
RECEIVE_BYTES = 2048
LONGEST = "m" * 2000
# When the flood is over, what is on its way may still come.
LAST_SECONDS = 3.0

CLOSE = 8


class Tally:
    """Answers by name: how many, and the longest wait."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, tuple[int, float]]] = {}

    def note(self, kind: str, name: str, seconds: float) -> None:
        names = self.kinds.setdefault(kind, {})
        count, slowest = names.get(name, (0, 0.0))
        names[name] = (count + 1, max(slowest, seconds))


@dataclass(frozen=True)
class Link:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def code(self) -> str:
        """Read frames until the connection ends: the close code, or `cut` without one."""
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                length = second & 127
                if length >= 126:
                    size = 2 if length == 126 else 8
                    length = int.from_bytes(await self.reader.readexactly(size), "big")
                payload = await self.reader.readexactly(length)
                if first & 15 == CLOSE:
                    return str(int.from_bytes(payload[:2], "big"))
        except (OSError, asyncio.IncompleteReadError):
            return "cut"
        finally:
            self.writer.close()


def name(answer: Answer) -> str:
    """The status with the code of its body; what docs/protocol.md wants besides, where missing."""
    if answer.status < 400:
        return str(answer.status)
    try:
        told = answer.json()
        detail, code = told["detail"], f"{answer.status} {told['code']}"
    except (ValueError, TypeError, KeyError):
        return f"{answer.status} {answer.body[:60]!r}"
    if not detail:
        return f"{code} without detail"
    return code if answer.retry_after else f"{code} without Retry-After"


class Flood:
    """One order under way."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.tally = Tally()
        self.stalled: list[tuple[float, str]] = []
        self.end: float = time.monotonic() + order["seconds"]
        self.inside: list[asyncio.Task[None]] = []

    async def run(self) -> dict[str, Any]:
        order = self.order
        found = await asyncio.get_running_loop().getaddrinfo(*NGINX, family=socket.AF_INET)
        self.address = found[0][4]
        # They have their places before the others come.
        readers = [await self.handshake(order["busy"], True) for _ in range(order["readers"])]
        tasks = [
            *(self.stall(link, place) for place, link in enumerate(readers) if link),
            *(self.send_frames() for _ in range(order["frame_senders"])),
            *(self.post(place) for place in range(order["posters"])),
            *(self.knock() for _ in range(order["knockers"])),
        ]
        await asyncio.gather(*tasks)
        for task in self.inside:
            task.cancel()
        return {"answers": self.tally.kinds, "readers": self.stalled}

    async def handshake(self, uri: str, small: bool = False) -> Link | None:
        """Open a socket; None where that was refused. Takes note of the answer."""
        raw = socket.socket()
        if small:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        raw.setblocking(False)
        with self.timed("handshakes") as told:
            await asyncio.get_running_loop().sock_connect(raw, self.address)
            # A buffer of asyncio's own that holds next to nothing: who does not read, does not.
            link = Link(*await asyncio.open_connection(sock=raw, limit=4096))
            key = base64.b64encode(secrets.token_bytes(16)).decode()
            link.writer.write(
                f"GET /ws/chats/{uri}/ HTTP/1.1\r\nHost: {self.order['host']}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n"
                f"Sec-WebSocket-Protocol: chatire, jwt.{self.order['token']}\r\n\r\n".encode()
            )
            answer = await asyncio.wait_for(read_answer(link.reader), PATIENCE)
            told.append(name(answer))
            if answer.status == 101:
                return link
            link.writer.close()
        return None

    @contextmanager
    def timed(self, kind: str) -> Iterator[list[str]]:
        """Take note of what the block appends, or of the error that it ends with."""
        began, told = time.monotonic(), list[str]()
        try:
            yield told
        except (OSError, Unreachable, asyncio.IncompleteReadError) as error:
            told.append(f"{type(error).__name__}: {error}")
        for each in told:
            self.tally.note(kind, each, time.monotonic() - began)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    async def knock(self) -> None:
        """Open one socket after another and keep them; go on when there is no more room."""
        while not self.over:
            link = await self.handshake(self.order["quiet"])
            if link:
                self.inside.append(asyncio.create_task(self.keep(link)))
            await asyncio.sleep(KNOCK_SECONDS)

    async def keep(self, link: Link) -> None:
        """Stay inside; whoever has a place keeps it."""
        began = time.monotonic()
        code = await link.code()
        self.tally.note("sockets", code, time.monotonic() - began)

    async def send_frames(self) -> None:
        """Send frames without a pause until that is ended, and come back to do so again."""
        # Masked, as a client's have to be, with a key of zeros.
        frame = bytes([0x81, 0x80 | len(TYPING), 0, 0, 0, 0]) + TYPING
        while not self.over:
            link = await self.handshake(self.order["quiet"])
            if link:
                with self.timed("frames") as told:
                    link.writer.write(frame * FRAMES)
                    told.append(await asyncio.wait_for(link.code(), PATIENCE))
            await asyncio.sleep(KNOCK_SECONDS)

    async def post(self, place: int) -> None:
        """Post long messages without a pause."""
        http = Http(f"http://{NGINX[0]}:{NGINX[1]}", host=self.order["host"])
        path, number = f"/api/chats/{self.order['busy']}/messages/", 0
        while not self.over:
            number += 1
            # No two alike: the ledger takes two of the same text for one that is doubled.
            text = f"flood {place} {number} {LONGEST}"[:2000]
            body = {"message": text, "client_id": str(uuid.uuid4())}
            with self.timed("posts") as told:
                answer = await http.request("POST", path, token=self.order["token"], body=body)
                told.append(name(answer))
                if answer.status != 201:
                    await asyncio.sleep(POST_SECONDS)
        http.close()

    async def stall(self, link: Link, place: int) -> None:
        """Read nothing for a while, then everything."""
        seconds = FIRST_STALL + STALL_STEP * place
        await asyncio.sleep(seconds)
        left = max(0.0, self.end - time.monotonic()) + LAST_SECONDS
        try:
            code = await asyncio.wait_for(link.code(), left)
        except TimeoutError:
            code = "open"
        self.stalled.append((round(seconds, 1), code))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Flood(json.load(sys.stdin)).run())))
