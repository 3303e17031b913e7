"""A client of docs/protocol.md, written against the contract and not against the server's code."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

import tls_relay

Frame = dict[str, Any]

# What "arrives" and "within seconds" may take here before a test gives up: an idle stack needs
# milliseconds, a laptop that builds images at the same time a little more.
PATIENCE = 10.0

# A limit lets one sign-up pass in a second at least; others may ask for it too.
SIGN_UP_PATIENCE = 60.0
TOO_MANY = 429

# A password that Django's rules accept, from random bits; the accounts are gone after the run.
PASSWORD_BITS = 16


def wait_until(true: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Ask again until the answer is truthy; returns it.

    Raises AssertionError with `what` and the last answer after `within` seconds.
    """
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        answer = true()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s; last {answer!r}"
        pause.wait(0.05)


class Socket:
    """One WebSocket and everything that came on it, in order."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        origin: str | None = None,
        first_frame: bool = False,
    ) -> None:
        """Open; the token goes as subprotocol, or with `first_frame` as the first frame.

        Raises websockets.exceptions.InvalidStatus where the handshake is refused.
        """
        by_subprotocol = token is not None and not first_frame
        address = urlsplit(url)
        opening = connect(
            # Plain inside: the relay speaks TLS.
            url.replace("wss:", "ws:", 1),
            sock=tls_relay.connect(str(address.hostname), address.port or 443, PATIENCE)
            if address.scheme == "wss"
            else None,
            subprotocols=[Subprotocol("chatire"), Subprotocol(f"jwt.{token}")]
            if by_subprotocol
            else None,
            origin=None if origin is None else Origin(origin),
            compression=None,
            proxy=None,
            open_timeout=PATIENCE,
            close_timeout=2,
            max_size=2**22,
        )
        self._open = ExitStack()
        self.connection = self._open.enter_context(opening)
        self.frames: list[Frame] = []
        if token is not None and first_frame:
            self.send({"type": "auth", "token": token})

    @property
    def subprotocol(self) -> str | None:
        return self.connection.subprotocol

    def send(self, frame: Frame | str | bytes) -> None:
        self.connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    def receive(self, within: float = PATIENCE) -> Frame:
        """The next frame. Raises TimeoutError, or ConnectionClosed."""
        raw = self.connection.recv(timeout=within)
        frame: Frame = json.loads(raw)
        self.frames.append(frame)
        return frame

    def until(
        self,
        kind: str,
        within: float = PATIENCE,
        match: Callable[[Frame], bool] = lambda frame: True,
        **fields: Any,
    ) -> Frame:
        """Read on to a frame of a type whose fields have the values given; returns it."""
        deadline = time.monotonic() + within
        while True:
            left = deadline - time.monotonic()
            try:
                frame = self.receive(max(left, 0.001))
            except (TimeoutError, ConnectionClosed) as reason:
                raise AssertionError(
                    f"no {kind} frame with {fields} within {within:g} s ({reason!r}); "
                    f"what came: {self.frames}"
                ) from reason
            wanted = all(frame.get(name) == value for name, value in fields.items())
            if frame.get("type") == kind and wanted and match(frame):
                return frame

    def closed(self, within: float = PATIENCE) -> int:
        """Read on until the server closes; returns the close code."""
        deadline = time.monotonic() + within
        try:
            while True:
                self.receive(max(deadline - time.monotonic(), 0.001))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        except TimeoutError:
            raise AssertionError(
                f"still open after {within:g} s; what came: {self.frames}"
            ) from None

    def of(self, kind: str) -> list[Frame]:
        """Every frame of a type read so far."""
        return [frame for frame in self.frames if frame.get("type") == kind]

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Chat:
    """The server as anyone on the network meets it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # Tokens handed out to this run, for the search through the logs.
        self.tokens: set[str] = set()
        # The system's authorities, or those that SSL_CERT_FILE names; as for the sockets.
        trusted = ssl.create_default_context()
        self.http = httpx.Client(
            base_url=self.url, timeout=PATIENCE, trust_env=False, verify=trusted
        )

    def close(self) -> None:
        self.http.close()

    def socket_url(self, path: str, **query: object) -> str:
        """The ws:// address of a path; arguments that are None are left out."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return f"ws{self.url.removeprefix('http')}{path}{'?' + given if given else ''}"

    def sign_up(self, username: str, password: str) -> Account:
        """Make an account and sign in.

        Where the address has no sign-up left, waits for the next as it is told: a run just before
        this one has spent them, or colleagues behind the same address.
        """
        asked = {"username": username, "password": password}
        deadline = time.monotonic() + SIGN_UP_PATIENCE
        while True:
            answer = self.http.post("/auth/users/", json=asked)
            if answer.status_code != TOO_MANY or time.monotonic() > deadline:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        assert answer.status_code == 201, told(answer)
        account = Account(self, username, password, answer.json()["id"])
        account.sign_in()
        return account


class Account:
    """Somebody signed in."""

    def __init__(self, chat: Chat, username: str, password: str, identity: int) -> None:
        self.chat = chat
        self.username = username
        self.password = password
        self.id = identity
        self.access = ""
        self.refresh_token = ""

    def __repr__(self) -> str:
        return f"<{self.username}>"

    def sign_in(self) -> None:
        """Start a session: a fresh pair of tokens."""
        answer = self.chat.http.post(
            "/auth/jwt/create/", json={"username": self.username, "password": self.password}
        )
        assert answer.status_code == 200, told(answer)
        self.hold(answer.json())

    def hold(self, pair: dict[str, str]) -> None:
        """Use these tokens from now on."""
        self.access, self.refresh_token = pair["access"], pair["refresh"]
        self.chat.tokens |= {self.access, self.refresh_token}

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"JWT {self.access}"} | arguments.pop("headers", {})
        return self.chat.http.request(method, path, headers=headers, **arguments)

    def ok(self, method: str, path: str, status: int, **arguments: Any) -> Any:
        """A request that has to be answered with a status; returns the JSON, None if empty."""
        answer = self.request(method, path, **arguments)
        assert answer.status_code == status, told(answer)
        return answer.json() if answer.content else None

    def create_chat(self) -> str:
        uri: str = self.ok("POST", "/api/chats/", 201)["uri"]
        return uri

    def join(self, uri: str) -> None:
        self.ok("PATCH", f"/api/chats/{uri}/", 200, json={"username": self.username})

    def post(self, uri: str, text: str, client_id: str | None = None) -> Frame:
        body = {"message": text} | ({"client_id": client_id} if client_id else {})
        stored: Frame = self.ok("POST", f"/api/chats/{uri}/messages/", 201, json=body)
        return stored

    def history(self, uri: str, **query: Any) -> list[Frame]:
        page: list[Frame] = self.ok("GET", f"/api/chats/{uri}/messages/", 200, params=query)[
            "messages"
        ]
        return page

    def socket(self, uri: str, *, after: int | None = None, epoch: str | None = None) -> Socket:
        """Open a chat's socket without waiting for anything on it."""
        path = self.chat.socket_url(f"/ws/chats/{uri}/", after=after, epoch=epoch)
        return Socket(path, self.access)

    @contextmanager
    def listening(
        self, uri: str, *, after: int | None = None, epoch: str | None = None
    ) -> Iterator[Socket]:
        """A chat's socket that is ready (or reset): what follows on it is live."""
        with self.socket(uri, after=after, epoch=epoch) as socket:
            while not (socket.of("ready") or socket.of("reset")):
                socket.receive()
            yield socket

    @contextmanager
    def inbox(self) -> Iterator[Socket]:
        with Socket(self.chat.socket_url("/ws/inbox/"), self.access) as socket:
            yield socket


def connected(url: str) -> socket.socket:
    """A bare connection to the server, for what no well-behaved client does."""
    address = urlsplit(url)
    assert address.hostname
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    bare = socket.create_connection((address.hostname, port), timeout=PATIENCE)
    if address.scheme == "https":
        bare = ssl.create_default_context().wrap_socket(bare, server_hostname=address.hostname)
    return bare


def told(answer: httpx.Response) -> str:
    """A request and what was answered, for a failure's text; tokens are left out."""
    return (
        f"\n{answer.request.method} {answer.request.url.path}"
        f"\n{answer.status_code} {dict(answer.headers)}\n{answer.text[:2000]}"
    )


def new_client_id() -> str:
    return str(uuid.uuid4())
