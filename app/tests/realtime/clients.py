"""A WebSocket client as docs/protocol.md describes one, for tests that read line by line."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.people import Person
from tests.realtime.waiting import DEADLINE
from tests.realtime.workers import Worker

Frame = dict[str, Any]


class Client:
    """One socket of one person on one worker; remembers every frame it has seen."""

    def __init__(
        self,
        worker: Worker,
        person: Person | None,
        path: str,
        *,
        subprotocols: list[str] | None = None,
        **options: Any,
    ) -> None:
        if subprotocols is None:
            subprotocols = ["chatire", f"jwt.{person.access}"] if person else []
        self.seen: list[Frame] = []
        self._stack = ExitStack()
        self.socket: ClientConnection = self._stack.enter_context(
            connect(
                f"ws://127.0.0.1:{worker.port}{path}",
                subprotocols=subprotocols or None,  # type: ignore[arg-type]
                compression=None,
                ping_interval=None,
                proxy=None,
                **options,
            )
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def send(self, frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def say(self, text: str, client_id: str | None = None) -> str:
        """Send a message frame and return its client_id."""
        client_id = client_id or str(uuid.uuid4())
        self.send({"type": "message", "message": text, "client_id": client_id})
        return client_id

    def posts(self, text: str, seconds: float = DEADLINE) -> Frame:
        """Send a message frame and return its ack."""
        client_id = self.say(text)
        return self.expect("ack", seconds, where=lambda frame: frame["client_id"] == client_id)

    def next(self, seconds: float = DEADLINE) -> Frame:
        """The next frame, whatever it is."""
        frame: Frame = json.loads(self.socket.recv(timeout=seconds))
        self.seen.append(frame)
        return frame

    def expect(
        self, kind: str, seconds: float = DEADLINE, where: Callable[[Frame], object] = bool
    ) -> Frame:
        """The next frame of this type, others passed over."""
        end = time.monotonic() + seconds
        while True:
            try:
                frame = self.next(max(0.01, end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"no {kind} in {seconds} s; seen: {self.seen}") from None
            if frame["type"] == kind and where(frame):
                return frame

    def ready(self) -> Frame:
        return self.expect("ready")

    def messages(self, count: int, seconds: float = DEADLINE) -> list[Frame]:
        return [self.expect("message", seconds) for _ in range(count)]

    def nothing(self, kind: str, seconds: float = 0.5) -> None:
        """Fail when a frame of this type comes within `seconds`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                frame = self.next(left)
            except TimeoutError:
                return
            assert frame["type"] != kind, frame

    def closed(self, seconds: float = DEADLINE) -> int:
        """Wait for the server to close, and return the close code."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.next(max(0.01, end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"not closed in {seconds} s; seen: {self.seen}") from None
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd is not None else 1006


def chat(worker: Worker, person: Person | None, uri: str, query: str = "", **more: Any) -> Client:
    """A chat socket."""
    return Client(worker, person, f"/ws/chats/{uri}/{query}", **more)


def inbox(worker: Worker, person: Person | None, **more: Any) -> Client:
    """An inbox socket."""
    return Client(worker, person, "/ws/inbox/", **more)
