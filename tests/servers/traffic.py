"""Steady traffic with a ledger: what was posted, what every reader got, how long each was away.

`python traffic.py URL SECONDS`: a poster over HTTP and readers on sockets, who come back with
jitter and resume as docs/protocol.md has it. Prints the ledger as JSON; exit status 1 when a post
failed or a message was lost, doubled or out of order. Stops early on SIGTERM, after counting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import signal
import ssl
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

READERS = 20
POSTS_PER_SECOND = 10.0
# A socket that closed with 1012 comes back within this, as the shipped page does.
JITTER_SECONDS = 0.5
# After the last post: a reader that was away resumes in this time.
SETTLE_SECONDS = 15.0


@dataclass
class Ledger:
    """What happened."""

    posted: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    received: list[list[int]] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    closes: dict[str, int] = field(default_factory=dict)

    def verdict(self) -> dict[str, Any]:
        wanted = sorted(self.posted)
        lost = sum(len(set(wanted) - set(got)) for got in self.received)
        doubled = sum(len(got) - len(set(got)) for got in self.received)
        disorder = sum(got != sorted(got) for got in self.received)
        away = sorted(self.away)
        return {
            "posted": len(wanted),
            "failed": self.failed[:5],
            "failed_posts": len(self.failed),
            "readers": len(self.received),
            "lost": lost,
            "doubled": doubled,
            "disorder": disorder,
            "reconnects": len(away),
            "away_p95": round(away[int(len(away) * 0.95)], 2) if away else 0,
            "away_max": round(away[-1], 2) if away else 0,
            "closes": self.closes,
        }


class Traffic:
    """One chat with a poster and readers at an address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tls = ssl.create_default_context()
        self.ledger = Ledger()
        self.over = asyncio.Event()

    async def run(self, seconds: float) -> Ledger:
        name = f"smoke-{secrets.token_hex(4)}-traffic"
        print(f"prefix: {name}", flush=True)
        async with httpx.AsyncClient(
            base_url=self.url, timeout=30, verify=self.tls, trust_env=False
        ) as http:
            account = {"username": name, "password": secrets.token_urlsafe(16)}
            (await http.post("/auth/users/", json=account)).raise_for_status()
            signed_in = (await http.post("/auth/jwt/create/", json=account)).raise_for_status()
            token = signed_in.json()["access"]
            http.headers["Authorization"] = f"JWT {token}"
            uri = (await http.post("/api/chats/")).raise_for_status().json()["uri"]
            readers = [asyncio.create_task(self.read(uri, token)) for _ in range(READERS)]
            print("running", flush=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.post(http, uri)
            deadline = time.monotonic() + SETTLE_SECONDS
            wanted = set(self.ledger.posted)
            while time.monotonic() < deadline and any(
                wanted - set(got) for got in self.ledger.received
            ):
                await asyncio.sleep(0.1)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        return self.ledger

    async def post(self, http: httpx.AsyncClient, uri: str) -> None:
        """Post at a steady rate until told to stop; a post is tried once."""
        while not self.over.is_set():
            began = time.monotonic()
            body = {"message": "traffic", "client_id": str(uuid.uuid4())}
            try:
                answer = await http.post(f"/api/chats/{uri}/messages/", json=body)
                if answer.status_code == 201:
                    self.ledger.posted.append(answer.json()["seq"])
                else:
                    self.ledger.failed.append(f"{answer.status_code} {answer.text[:100]}")
            except httpx.HTTPError as error:
                self.ledger.failed.append(repr(error))
            pause = 1 / POSTS_PER_SECOND - (time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), max(pause, 0.001))

    async def read(self, uri: str, token: str) -> None:
        got: list[int] = []
        self.ledger.received.append(got)
        after, epoch, since = 0, "", None
        while True:
            query = f"?after={after}&epoch={epoch}" if epoch else "?after=0"
            try:
                async with connect(
                    f"ws{self.url.removeprefix('http')}/ws/chats/{uri}/{query}",
                    subprotocols=[Subprotocol("chatire"), Subprotocol(f"jwt.{token}")],
                    ssl=self.tls,
                    compression=None,
                    proxy=None,
                ) as socket:
                    async for text in socket:
                        frame = json.loads(text)
                        if frame["type"] == "ready":
                            epoch = frame["epoch"]
                            if since is not None:
                                self.ledger.away.append(time.monotonic() - since)
                                since = None
                        elif frame["type"] == "message":
                            after = frame["seq"]
                            got.append(after)
                    code = str(socket.close_code)
            except (OSError, WebSocketException) as error:
                code = type(error).__name__
            self.ledger.closes[code] = self.ledger.closes.get(code, 0) + 1
            since = since or time.monotonic()
            await asyncio.sleep(random.uniform(0, JITTER_SECONDS))


async def main(url: str, seconds: float) -> int:
    traffic = Traffic(url)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, traffic.over.set)
    verdict = (await traffic.run(seconds)).verdict()
    print(json.dumps(verdict), flush=True)
    clean = not (verdict["failed_posts"] or verdict["lost"] or verdict["doubled"])
    return 0 if clean and not verdict["disorder"] and verdict["posted"] else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], float(sys.argv[2]))))
