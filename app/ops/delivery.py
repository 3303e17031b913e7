"""Does a message arrive? The delivery check, against any address: `python -m ops.delivery URL`.

Two new users meet in a new chat; what one posts over HTTP must arrive on the other's WebSocket,
through whatever stands in front. Prints what it made (`prefix: …`, for `manage.py smoke_cleanup
--prefix …`) and what it measured (`delivered: …`); exit status 1 with one line on standard error
where something did not answer as docs/protocol.md says.

It is a client like any other: nothing of the application is imported, Django least of all.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

# The first message finds cold caches; the median of a few tells what the rest will take.
MESSAGES = 5
# Far above what an idle stack needs, short enough for someone who waits before a terminal.
PATIENCE_SECONDS = 10.0
# Of the answer that was not expected, so much is shown.
SHOWN_CHARACTERS = 200

Answer = dict[str, Any]


class NotDelivered(Exception):
    """What was asked, what came, what was expected: one line."""


class Client:
    """One user of the chat at an address."""

    def __init__(self, url: str, username: str) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.token: str | None = None
        # The check asks the address it was given, whatever proxy the environment names.
        self._open = build_opener(ProxyHandler({})).open

    def call(self, method: str, path: str, expected: int, body: Answer | None = None) -> Answer:
        """One request; returns the answer's JSON. Raises NotDelivered for another status."""
        request = Request(  # noqa: S310 (main() lets http and https pass only)
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self.token:
            request.add_header("Authorization", f"JWT {self.token}")
        try:
            with self._open(request, timeout=PATIENCE_SECONDS) as answer:
                status, text = answer.status, answer.read()
        except HTTPError as error:
            with error:
                status, text = error.code, error.read()
        except OSError as error:
            raise NotDelivered(f"{method} {path}: no answer ({error})") from error
        if status != expected:
            said = text.decode(errors="replace")[:SHOWN_CHARACTERS]
            raise NotDelivered(f"{method} {path}: status {status}, expected {expected}; {said}")
        try:
            parsed = json.loads(text) if text else {}
        except ValueError:
            raise NotDelivered(f"{method} {path}: the answer is no JSON") from None
        return dict(parsed)

    def sign_up(self) -> None:
        """Make the account and sign it in."""
        # Never shown and never used again: the account is removed after the check.
        password = secrets.token_urlsafe(24)
        credentials = {"username": self.username, "password": password}
        self.call("POST", "/auth/users/", 201, credentials)
        self.token = self.call("POST", "/auth/jwt/create/", 200, credentials)["access"]

    @contextmanager
    def listen(self, uri: str) -> Iterator[ClientConnection]:
        """A socket in the chat that is live: its `ready` has come. Raises NotDelivered."""
        path = f"/ws/chats/{uri}/"
        try:
            with connect(
                f"ws{self.url.removeprefix('http')}{path}",
                subprotocols=[Subprotocol("chatire"), Subprotocol(f"jwt.{self.token}")],
                proxy=None,
                open_timeout=PATIENCE_SECONDS,
            ) as socket:
                receive(socket, "ready")
                yield socket
        except (OSError, WebSocketException) as error:
            raise NotDelivered(f"WebSocket {path}: not opened or broken ({error})") from error


def receive(socket: ClientConnection, kind: str, **fields: object) -> Answer:
    """The next frame of a type whose fields have these values; others are passed over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: list[str] = []
    try:
        while True:
            frame = json.loads(socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            seen.append(str(frame.get("type")))
            if frame.get("type") == kind and fields.items() <= frame.items():
                return dict(frame)
    except TimeoutError:
        came = ", ".join(seen) or "nothing"
        raise NotDelivered(
            f"WebSocket: no {kind} frame within {PATIENCE_SECONDS:g} s; what came: {came}"
        ) from None
    except WebSocketException as error:
        raise NotDelivered(f"WebSocket: closed while waiting for {kind} ({error})") from error


def deliver(poster: Client, socket: ClientConnection, uri: str, text: str) -> float:
    """Post a message and wait for its frame; returns the seconds between."""
    sent = time.monotonic()
    posted = poster.call("POST", f"/api/chats/{uri}/messages/", 201, {"message": text})
    receive(socket, "message", seq=posted["seq"], message=text)
    return time.monotonic() - sent


def check(url: str, prefix: str) -> list[float]:
    """The whole check with accounts of this prefix; returns the seconds of each delivery.

    Raises NotDelivered.
    """
    poster, reader = Client(url, f"{prefix}poster"), Client(url, f"{prefix}reader")
    # Side by side: a password's hash is what takes the time.
    with ThreadPoolExecutor() as pool:
        for signed_up in [pool.submit(poster.sign_up), pool.submit(reader.sign_up)]:
            signed_up.result()
    uri = poster.call("POST", "/api/chats/", 201)["uri"]
    reader.call("PATCH", f"/api/chats/{uri}/", 200, {"username": reader.username})
    with reader.listen(uri) as socket:
        return [deliver(poster, socket, uri, f"delivery check {n}") for n in range(MESSAGES)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.delivery", description=__doc__)
    parser.add_argument("url", help="where the chat is, such as http://localhost:8080")
    url = parser.parse_args(arguments).url
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        parser.error(f"{url!r} is no address; expected one such as http://localhost:8080")
    prefix = f"smoke-{secrets.token_hex(4)}-"
    # First: whoever runs this can clean up, however it ends.
    sys.stdout.write(f"prefix: {prefix}\n")
    sys.stdout.flush()
    try:
        taken = check(url, prefix)
    except NotDelivered as error:
        sys.stderr.write(f"{error}\n")
        return 1
    median = statistics.median(taken) * 1000
    sys.stdout.write(
        f"delivered: {len(taken)} messages posted over HTTP arrived on the other's WebSocket, "
        f"median {median:.1f} ms\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
