"""What the ws tier leans on in uvicorn, and that it also runs on any other ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from accounts.users import UserRow
from chat import permissions
from realtime import pool, wire
from realtime.auth import Credentials
from realtime.closing import RESTART
from realtime.hub import close_hub, get_hub
from realtime.outbox import Frames, QueueOutbox
from realtime.query import ChatQuery
from realtime.routing import application
from realtime.server import Server
from realtime.sockets import Socket
from realtime.wire import EXTENSION, WireProtocol, framed
from tests.people import Person
from tests.realtime.rooms import post
from tests.realtime.workers import free_port

_Communicator: Any = ApplicationCommunicator


def test_uvicorns_protocol_still_has_what_the_wire_leans_on() -> None:
    """A newer uvicorn that changes these needs a look at realtime/wire.py."""
    for name in (
        "handle_connect",
        "data_received",
        "send_receive_event_to_app",
        "handle_parser_exception",
        "keepalive_timeout",
        "stop_keepalive",
        "connection_lost",
    ):
        assert name in vars(WebSocketsSansIOProtocol), name
        theirs = inspect.signature(vars(WebSocketsSansIOProtocol)[name])
        if name in vars(WireProtocol):
            ours = inspect.signature(vars(WireProtocol)[name])
            assert list(ours.parameters) == list(theirs.parameters)
    source = inspect.getsource(WebSocketsSansIOProtocol)
    for attribute in (
        "self.close_sent",
        "self.disconnected",
        "self.writable",
        "self.close_timer",
        "self.read_paused",
        "self.handshake_initiated",
        "self.handshake_complete",
        "self.queue.put_nowait",
        "self.conn.send_close",
        "self.curr_msg_data_type",
        "if self.close_timer is None:",
    ):
        assert attribute in source, attribute


def test_uvicorns_server_still_has_what_ours_leans_on() -> None:
    """A newer uvicorn that changes these needs a look at realtime/server.py."""
    source = inspect.getsource(uvicorn.Server)
    for part in (
        "if not self.should_exit:\n            await self.main_loop()",
        "signal.signal(sig, self.handle_exit)",
        "self._captured_signals.append(sig)",
        "self.server_state.default_headers =",
    ):
        assert part in source, part
    for name in ("main_loop", "handle_exit", "on_tick"):
        theirs = inspect.signature(vars(uvicorn.Server)[name])
        assert list(inspect.signature(getattr(Server, name)).parameters) == list(theirs.parameters)


async def test_a_server_that_waits_is_woken_by_a_signal_and_by_deafness() -> None:
    tellings: tuple[Callable[[Server], None], ...] = (
        lambda server: server.handle_exit(signal.SIGTERM, None),
        Server._end_deaf,
    )
    for tell in tellings:
        server = Server(uvicorn.Config(application), 1.0, 0)
        waiting = asyncio.create_task(server.main_loop())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        tell(server)
        await asyncio.wait_for(waiting, 1)


def post_apart(person: Person, uri: str) -> None:
    """Post from a thread, and leave it no connection."""
    post(person, uri)
    connection.close()


class Plain(_Communicator):
    """A WebSocket on a server without extensions."""

    def __init__(self, path: str, *subprotocols: str) -> None:
        super().__init__(
            application,
            {
                "type": "websocket",
                "path": path,
                "query_string": b"",
                "headers": [],
                "subprotocols": list(subprotocols),
            },
        )

    async def hear(self) -> Any:
        return json.loads((await self.receive_output(5))["text"])


async def test_a_chat_works_on_a_server_without_the_wire_extension(
    alice_and_room: tuple[Person, str],
) -> None:
    alice, uri = alice_and_room
    socket = Plain(f"/ws/chats/{uri}/", "chatire", f"jwt.{alice.access}")
    try:
        (await get_hub()).listener.health()
        await wait_until_heard()
        await socket.send_input({"type": "websocket.connect"})
        accepted = await socket.receive_output(5)
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "chatire")
        assert (await socket.hear())["type"] == "ready"
        await socket.send_input({"type": "websocket.receive", "text": '{"message":"x"}'})
        kinds = {(await socket.hear())["type"] for _ in range(3)}
        assert kinds == {"presence", "message", "ack"}
        await asyncio.to_thread(post_apart, alice, uri)
        assert (await socket.hear())["seq"] == 2
        (await get_hub()).sockets.copy().pop().close(RESTART, "bye")
        assert (await socket.receive_output(5))["code"] == RESTART
        await socket.send_input({"type": "websocket.disconnect", "code": RESTART})
        await socket.wait(5)
        assert not (await get_hub()).sockets
        foreign = Plain("/nowhere/")
        await foreign.send_input({"type": "websocket.connect"})
        assert (await foreign.receive_output(5))["type"] == "websocket.close"
        await foreign.wait(5)
    finally:
        await close_hub()


async def wait_until_heard() -> None:
    hub = await get_hub()
    async with asyncio.timeout(10):
        while hub.listener.health().reason:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Noted:
    """An outbox that only notes what it is given."""

    gone = False

    def __init__(self) -> None:
        self.kinds: list[tuple[str, int]] = []

    def push(self, frames: Frames) -> None:
        for payload in frames.payloads:
            frame = json.loads(payload)
            self.kinds.append((frame["type"], frame.get("seq", 0)))

    def close(self, code: int, reason: str = "") -> None:
        self.kinds.append(("close", code))

    async def drained(self) -> None: ...

    async def flushed(self) -> None: ...


async def test_a_socket_that_goes_live_between_delivery_and_flush_gets_nothing_twice(
    alice_and_room: tuple[Person, str],
) -> None:
    alice, uri = alice_and_room
    try:
        hub = await get_hub()
        await wait_until_heard()
        async with pool.connection() as db:
            access = await permissions.aaccess(db, uri, alice.id)
        assert access is not None
        room = await hub.enter(access.chat_id)
        credentials = Credentials(UserRow(alice.id, alice.username, "", ""), uuid.uuid4(), 2**40)
        first, second = (Socket(Noted(), credentials) for _ in range(2))
        await room.attach(first, ChatQuery(None, None), access)
        # In one turn of the loop: delivered, not yet flushed, and the second comes.
        room.hear(1, 0, b'{"type":"message","seq":1}')
        attaching = room.attach(second, ChatQuery(None, None), access)
        with pytest.raises(StopIteration):
            attaching.send(None)
        await asyncio.sleep(0.05)
        for socket, expected in (
            (first, [("ready", 0), ("message", 1)]),
            (second, [("ready", 1)]),
        ):
            assert isinstance(socket.outbox, Noted)
            assert socket.outbox.kinds[: len(expected)] == expected
            assert ("message", 1) not in socket.outbox.kinds[len(expected) :]
            room.detach(socket)
        hub.leave(room)
    finally:
        await close_hub()


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[int]:
    """A server of this process with the wire protocol; yields its port."""
    port = free_port()
    config = uvicorn.Config(
        app, port=port, ws=WireProtocol, log_config=None, lifespan="off", **options
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_a_peer_that_neither_reads_nor_answers_pings_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvicorn alone closes such a transport, which waits for its buffer, so for ever."""
    monkeypatch.setattr(wire, "CLOSE_SECONDS", 0.3)
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        scope["extensions"][EXTENSION]["connection"].push(framed(b"x" * 20_000_000))
        assert (await receive())["type"] == "websocket.disconnect"
        ended.set()

    async with serving(app, ws_ping_interval=0.2, ws_ping_timeout=0.2) as port:
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(HANDSHAKE)
            await asyncio.wait_for(ended.wait(), 5)


async def test_a_peer_that_still_sends_a_refused_frame_is_not_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """nginx passes an end of ours on to both sides, over what it has not read yet."""
    monkeypatch.setattr(wire, "QUIET_SECONDS", 1.0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"

    async with serving(app, ws_max_size=1000) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\xff" + (10**6).to_bytes(8, "big") + b"mask" + b"x" * 1000)
        assert (await reader.readexactly(1))[0] == 0x88
        await reader.read(100)
        for _ in range(4):
            writer.write(b"y" * 1000)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.4)
        assert await asyncio.wait_for(reader.read(1), 3) == b""
        writer.close()


async def test_frames_written_to_the_wire_arrive_between_those_of_the_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        connection = scope["extensions"][EXTENSION]["connection"]
        for number in range(100):
            connection.push(framed(b"pushed %d" % number))
            await send({"type": "websocket.send", "text": f"sent {number}"})
        connection.shut(4321, "done")
        assert connection.gone
        connection.push(framed(b"too late"))
        assert (await receive())["code"] == 4321

    async with (
        serving(app) as port,
        connect(f"ws://127.0.0.1:{port}/", proxy=None, compression=None) as client,
    ):
        got = [await client.recv() for _ in range(200)]
        assert got == [f"{how} {number}" for number in range(100) for how in ("pushed", "sent")]
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "done")


async def test_a_queue_outbox_is_bounded_and_ends_the_application_that_cannot_send() -> None:
    stuck = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        await stuck.wait()

    outbox = QueueOutbox(send)
    frame = Frames([b"x" * 100_000])
    for _ in range(40):
        outbox.push(frame)
        await asyncio.sleep(0)
    assert outbox.gone
    stuck.set()
    await outbox.flushed()
    assert sent[-1]["code"] == 4429
    assert 10 < len(sent) < 14
