"""A member's socket that holds every frame against the promises as it comes."""

from __future__ import annotations

import json
import socket
import time
import uuid
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.people import Person
from tests.realtime.clients import Client, Frame, chat
from tests.realtime.promises.nursery import NurseryWorker

# Long enough for a lost hint's tick and a busy machine; a frame that is not there by then is lost.
PATIENCE = 8.0
# A worker that is refused by (deaf, just started) may be tried again for this long.
DOOR_SECONDS = 6.0


class Reader:
    """One connection: what it was promised at its handshake, and what came.

    A message out of order, twice, or beyond `limit` (the last `seq` that a removed member may
    see) fails where it is read.
    """

    def __init__(
        self,
        worker: NurseryWorker,
        person: Person,
        uri: str,
        after: int | None,
        epoch: str | None,
        expect: str = "ready",
        slow: bool = False,
    ) -> None:
        self.worker, self.person, self.uri, self.after = worker, person, uri, after
        self.epoch = ""
        self.expected = expect
        self.last: int | None = after if expect == "ready" else None
        self.limit: int | None = None
        self.removed = False
        self.code: int | None = None
        self.messages: dict[int, Frame] = {}
        self._answers: list[Frame] = []
        self._client = _open(worker, person, uri, after, epoch, slow)

    def __repr__(self) -> str:
        return f"<{self.person.username}:{self.worker.port} at {self.last} code {self.code}>"

    @property
    def open(self) -> bool:
        return self.code is None

    def start(self) -> None:
        """Read up to `ready` or `reset`, whichever is due."""
        deadline = time.monotonic() + PATIENCE
        while not self.epoch and self.open:
            self._read(deadline, self.expected)

    def see(self, seq: int) -> None:
        """Read until message `seq` has come; a connection that ends meanwhile is no failure."""
        deadline = time.monotonic() + PATIENCE
        while self.open and (self.last or 0) < seq:
            self._read(deadline, f"message {seq}")

    def ended(self) -> int:
        """Read until the server closes; returns the code."""
        deadline = time.monotonic() + PATIENCE
        while self.open:
            self._read(deadline, "a close frame")
        assert self.code is not None
        return self.code

    def poll(self) -> None:
        """Take what has come so far."""
        while self.open and self._take_next(0.0):
            pass

    def send(self, text: str, client_id: uuid.UUID | None) -> None:
        """Send a message frame."""
        frame = {"type": "message", "message": text, "client_id": client_id and str(client_id)}
        try:
            self._client.send(frame)
        except ConnectionClosed:
            self.poll()

    def answer(self, client_id: uuid.UUID | None) -> Frame | None:
        """The `ack` or `error` for a frame that was sent; None when the connection ended first."""
        wanted = client_id and str(client_id)
        deadline = time.monotonic() + PATIENCE
        while True:
            for frame in self._answers:
                if frame["client_id"] == wanted:
                    self._answers.remove(frame)
                    return frame
            if not self.open:
                return None
            self._read(deadline, f"an answer to {wanted}")

    def close(self) -> None:
        self.code = self.code or 1000
        self._client.close()

    def _read(self, deadline: float, what: str) -> None:
        assert self._take_next(deadline - time.monotonic()), (
            f"{self!r}: no {what} after {PATIENCE} s\n{self.worker.log_text()[-2000:]}"
        )

    def _take_next(self, seconds: float) -> bool:
        try:
            raw = self._client.socket.recv(timeout=max(0.001, seconds))
        except TimeoutError:
            return False
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else 1006
            self._client.close()
        else:
            self._take(json.loads(raw))
        return True

    def _take(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "message":
            seq = frame["seq"]
            assert self.last is not None, f"{self!r}: message {seq} before anything was said"
            assert seq == self.last + 1, f"{self!r}: message {seq} after {self.last}"
            assert self.limit is None or seq <= self.limit, f"{self!r}: {seq} is not for them"
            self.last = seq
            self.messages[seq] = frame
        elif kind in ("ready", "reset"):
            assert not self.epoch, f"{self!r}: {kind} a second time"
            assert kind == self.expected, f"{self!r}: {kind}, after={self.after}"
            if kind == "reset" or self.after is None:
                self.last = frame["seq"]
            assert frame["seq"] == self.last, f"{self!r}: ready at {frame['seq']}"
            self.epoch = frame["epoch"]
        elif kind in ("ack", "error"):
            self._answers.append(frame)


def _open(
    worker: NurseryWorker,
    person: Person,
    uri: str,
    after: int | None,
    epoch: str | None,
    slow: bool,
) -> Client:
    given = {"after": after, "epoch": epoch}
    query = "&".join(f"{name}={value}" for name, value in given.items() if value is not None)
    deadline = time.monotonic() + DOOR_SECONDS
    while True:
        # A slow reader's client takes a frame when it is asked for one, and no earlier.
        options: dict[str, Any] = {"max_queue": 1 if slow else None}
        if slow:
            options["sock"] = _small_socket(worker.port)
        try:
            return chat(worker, person, uri, f"?{query}", **options)  # type: ignore[arg-type]
        except OSError as error:
            # Nobody there, or nobody answers: the worker may know why.
            raise AssertionError(
                f"{worker.port}: {error!r}\n{worker.log_text()[-2000:]}"
            ) from error
        except InvalidStatus as refused:
            if refused.response.status_code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _small_socket(port: int) -> socket.socket:
    """A connection whose kernel holds but a few kilobytes for a reader who does not read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", port))
    return raw
