"""What a scenario knows of whatever it measures: where it listens, and how one talks to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ClassVar

from load.socket import Socket, connect, handshake
from targets.pod import Pod

HOST = "127.0.0.1"
# Two ws workers: receivers sit on the first, and what is posted over WebSocket comes in at the
# second, so that the first one's account holds the fan-out and nothing else.
FIRST, SECOND, THIRD = 8101, 8102, 8103
HTTP = 8201
DSN = "postgres://postgres@127.0.0.1:5432/designs"


class Design:
    """One thing under measurement. A subclass says what it is; the rest is the same for all."""

    name: ClassVar[str]
    title: ClassVar[str]
    ready: ClassVar[bytes] = b'"ready"'
    greeting: ClassVar[bytes] = b""
    # Whether what is posted over HTTP is heard on sockets.
    listens: ClassVar[bool] = True
    usernames: ClassVar[list[str]] = []
    password: ClassVar[str] = ""
    # Sockets opened before all others, alone: what goes wrong otherwise is in docs/broker.md.
    alone_first: ClassVar[bool] = False
    # Container roles of the ws workers, in the order of their ports.
    workers: tuple[str, ...] = ("ws1", "ws2")
    ws_ports: tuple[int, ...] = (FIRST, SECOND)
    http_port: int = HTTP

    def __init__(self, pod: Pod) -> None:
        self.pod = pod

    def start(self) -> None:
        """Start the ws workers; returns when they listen."""
        raise NotImplementedError

    def start_http(self) -> None:
        """Start what answers HTTP posts; raises NotImplementedError where there is none."""
        raise NotImplementedError

    def stop(self) -> None:
        """Remove everything that was started."""
        self.pod.stop("ws1", "ws2", "ws3", "http", "redis", "nginx")

    def path(self, room: int) -> str:
        """A room's address."""
        return f"/ws/room-{room}/"

    def headers(self, user: int) -> dict[str, str]:
        """What a handshake carries beside the usual."""
        return {}

    def frame(self, text: str) -> bytes:
        """The frame that posts a text."""
        return json.dumps({"message": text}).encode()

    async def open(
        self,
        room: int,
        *,
        user: int = 0,
        worker: int = 0,
        query: str = "",
        heard: Callable[[bytes], None] | None = None,
    ) -> Socket:
        """Open a socket in a room and wait until it is live. Raises OSError, TimeoutError."""
        port = self.ws_ports[worker]
        request = handshake(self.path(room) + query, f"localhost:{port}", self.headers(user))
        return await connect(
            HOST, port, request, greeting=self.greeting, ready=self.ready, heard=heard
        )

    def message_path(self, room: int) -> str:
        """Where a message is posted over HTTP."""
        return f"/api/chats/room-{room}/messages/"

    async def tokens(self) -> list[str]:
        """Access tokens of the users who post over HTTP."""
        return [""]
