"""The designs that chatire is compared with; their source is in bench/designs."""

from __future__ import annotations

import json
from typing import ClassVar

from load.http import Connection
from load.socket import client_frame
from targets.design import DSN, FIRST, HOST, HTTP, SECOND, Design

PYTHON = "/opt/designs/bin/python"
# The same event loop, parsers and settings that chatire's own tier has; no compression.
UVICORN = (
    "-m", "uvicorn", "--host", HOST, "--loop", "uvloop", "--http", "httptools",
    "--ws-per-message-deflate", "false", "--no-access-log", "--log-level", "warning",
    "--backlog", "4096",
)  # fmt: skip
# As many processes and threads as chatire's http tier gets here.
GUNICORN = ("-m", "gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "4",
            "--keep-alive", "75", "--log-level", "warning", "--bind", f"{HOST}:{HTTP}")  # fmt: skip


class Other(Design):
    """A design of bench/designs, in the image of the bench."""

    folder: ClassVar[str]
    application: ClassVar[str]
    # uvicorn's WebSocket implementation: the one that chatire's own leans on.
    ws: ClassVar[str] = "websockets-sansio"
    env: ClassVar[dict[str, str]] = {}

    def _options(self) -> tuple[str, ...]:
        source = self.pod.root / "bench/designs" / self.folder
        return ("--volume", f"{source}:/srv/design:ro", "--workdir", "/srv/design")

    def _environment(self) -> dict[str, str]:
        return {"DSN": DSN, "PATH": "/opt/designs/bin:/usr/bin:/bin", **self.env}

    def _run(self, role: str, port: int, *command: str) -> None:
        options, env = self._options(), self._environment()
        self.pod.start(role, "bench", *command, env=env, options=options, port=port)

    def start(self) -> None:
        for role, port in (("ws1", FIRST), ("ws2", SECOND)):
            self._run(
                role, port, PYTHON, *UVICORN, "--ws", self.ws, "--port", str(port), self.application
            )


class Bare(Other):
    name = "bare"
    title = "bare limit"
    folder = "bare"
    application = "server:app"


class BareWebsockets(Bare):
    name = "bare-websockets"
    title = "bare limit, ws=websockets"
    ws = "websockets"


class BareWsproto(Bare):
    name = "bare-wsproto"
    title = "bare limit, ws=wsproto"
    ws = "wsproto"


class BarePushed(Bare):
    """On the application's own WebSocket protocol, which is all that is taken of it."""

    name = "bare-pushed"
    title = "bare limit, chatire's WireProtocol"
    application = "pushed:app"
    ws = "wire:WireProtocol"

    def _options(self) -> tuple[str, ...]:
        wire = self.pod.root / "app/realtime/wire.py"
        return (*super()._options(), "--volume", f"{wire}:/opt/wire/wire.py:ro")

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "PYTHONPATH": "/opt/wire"}


class BareChannels(Bare):
    name = "bare-channels"
    title = "bare limit, Channels' consumer"
    application = "through_channels:app"
    env: ClassVar = {"CONSUMER": "text"}


class BareChannelsJson(BareChannels):
    name = "bare-channels-json"
    title = "bare limit, Channels' JSON consumer"
    env: ClassVar = {"CONSUMER": "json"}


class BareChannelsLayer(BareChannels):
    name = "bare-channels-layer"
    title = "bare limit, Channels' consumer, a queue each"
    env: ClassVar = {"CONSUMER": "layer"}


class BareDurable(Bare):
    name = "bare-durable"
    title = "bare limit, durable insert"
    env: ClassVar = {"STORE": "1"}


class Tutorial(Other):
    """Django and Channels as a tutorial puts them together."""

    name = "tutorial"
    title = "tutorial, channels-postgres"
    folder = "tutorial"
    application = "asgi:application"
    env: ClassVar = {"LAYER": "postgres"}
    alone_first = True
    usernames: ClassVar = ["alice"]
    password = "no-secret"  # noqa: S105

    def start(self) -> None:
        self._prepare()
        super().start()

    def _prepare(self) -> None:
        self.pod.once(
            "bench", PYTHON, "prepare.py", env=self._environment(), options=self._options()
        )

    def start_http(self) -> None:
        self._prepare()
        self._run("http", HTTP, PYTHON, *GUNICORN, "wsgi:application")

    async def tokens(self) -> list[str]:
        async with Connection(HOST, self.http_port) as connection:
            body = {"username": "alice", "password": self.password}
            status, content = await connection.ask("POST", "/auth/jwt/create/", body)
        if status != 200:
            raise ConnectionError(f"{self.name}: sign-in answered {status}: {content[:300]!r}")
        return [json.loads(content)["access"]]


class TutorialKept(Tutorial):
    name = "tutorial-kept"
    title = "tutorial, kept database connections"
    env: ClassVar = {"LAYER": "postgres", "KEPT": "1"}


class BareView(Tutorial):
    """Nothing but an INSERT and its answer, on kept database connections."""

    name = "bare-view"
    title = "bare inserting view"
    listens = False
    env: ClassVar = {"LAYER": "postgres", "KEPT": "1"}

    async def tokens(self) -> list[str]:
        return [""]

    def message_path(self, room: int) -> str:
        return f"/bare/chats/room-{room}/messages/"


class Redis(Tutorial):
    """The same on channels_redis; Redis as Debian ships it, without persistence."""

    alone_first = False

    def start(self) -> None:
        command = ("redis-server", "--save", "", "--appendonly", "no", "--bind", HOST)
        self.pod.start("redis", "bench", *command, port=6379)
        super().start()


class RedisCore(Redis):
    name = "redis-core"
    title = "channels_redis core, capacity raised"
    env: ClassVar = {"LAYER": "core"}


class RedisCoreDefault(Redis):
    name = "redis-default"
    title = "channels_redis core, default capacity"
    env: ClassVar = {"LAYER": "core-default"}


class RedisPubSub(Redis):
    name = "redis-pubsub"
    title = "channels_redis pub/sub"
    env: ClassVar = {"LAYER": "pubsub"}


class SocketIO(Other):
    """Socket.IO on Node, with its PostgreSQL adapter."""

    name = "socketio"
    title = "Socket.IO, PostgreSQL adapter"
    folder = "socketio"
    greeting = client_frame(b"40")

    def _options(self) -> tuple[str, ...]:
        # Beside the packages: that is where Node looks for them.
        source = self.pod.root / "bench/designs/socketio/server.mjs"
        return ("--volume", f"{source}:/opt/socketio/server.mjs:ro", "--workdir", "/opt/socketio")

    def start(self) -> None:
        for role, port in (("ws1", FIRST), ("ws2", SECOND)):
            self.pod.start(
                role, "bench", "node", "server.mjs",
                env={"DSN": DSN, "PORT": str(port), "NODE_ENV": "production"},
                options=self._options(), port=port,
            )  # fmt: skip

    def path(self, room: int) -> str:
        return f"/socket.io/?EIO=4&transport=websocket&room=room-{room}"

    def frame(self, text: str) -> bytes:
        return b"42" + json.dumps(["message", text]).encode()
