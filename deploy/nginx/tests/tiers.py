"""Small but real servers that stand behind nginx: one that speaks HTTP, one WebSocket."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.sync.server import Server, ServerConnection, unix_serve

# The socket of a tier that nobody stops must not keep a test run from ending.
STOP_SECONDS = 5
SUBPROTOCOL = "chatire"


@dataclass(frozen=True)
class Request:
    """What reached the http tier."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value, or all of them where it came several times."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


@dataclass(frozen=True)
class Answer:
    """What the http tier says."""

    status: int = 200
    body: bytes = b'{"tier": "http"}'
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


# None: take the request, then close without a word, as a process that is killed does.
Behaviour = Callable[[Request], Answer | None]


class HttpTier:
    """An HTTP server on a Unix socket that keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.requests: list[Request] = []
        self.behave: Behaviour = self.ordinary
        tier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Request(
                    self.command, self.path, self.headers.items(), self.rfile.read(length)
                )
                tier.requests.append(request)
                answer = tier.behave(request)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

            def address_string(self) -> str:
                return "unix"

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing: nginx's log is what is looked at."""

        class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 512

        self._server = UnixServer(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(STOP_SECONDS)

    @staticmethod
    def ordinary(_: Request) -> Answer | None:
        """Says 200 to everything."""
        return Answer()

    @property
    def last(self) -> Request:
        """The request that came last."""
        return self.requests[-1]


class WsTier:
    """A WebSocket server on a Unix socket that says back what it hears."""

    def __init__(self, path: Path, name: str = "ws") -> None:
        self.address = f"unix:{path}"
        self.name = name
        self.handshakes: list[Handshake] = []
        # A status here refuses every handshake, as a worker that drains does with 503.
        self.refuse_with: int | None = None
        self._server: Server = unix_serve(
            self._talk,
            str(path),
            process_request=self._look,
            select_subprotocol=self._select,
            compression=None,
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.socket.close()
        self._thread.join(STOP_SECONDS)

    def _look(self, _: ServerConnection, request: Handshake) -> Response | None:
        self.handshakes.append(request)
        if self.refuse_with is None:
            return None
        body = json.dumps({"detail": f"{self.name} drains", "code": "draining"}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        return Response(self.refuse_with, "Refused", headers, body)

    def _select(self, _: ServerConnection, offered: Any) -> Any:
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def _talk(self, connection: ServerConnection) -> None:
        for frame in connection:
            connection.send(f"{self.name}: {frame!s}")


def dead_socket(path: Path) -> str:
    """The address of a socket whose process is gone: its file is there, and nobody listens."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    return f"unix:{path}"
