"""One client with a socket in one room: connects, resumes, comes back, sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import uuid
from typing import Any, Literal
from urllib.parse import urlencode

from picows import (
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from ledger.books import Books, Reader, Sent
from ledger.http import Unreachable
from ledger.people import Person, backoff, passing

# The shipped page's patience: a message that a socket took and did not acknowledge.
ACK_SECONDS = 8.0
HANDSHAKE_SECONDS = 10.0
# A worker that restarts closes with 1012; its clients come back spread over this.
RESTART_JITTER = 0.5
# How far a client pages back after `reset`.
PAGE = 200

NO_TOKEN, NOT_MEMBER, NO_CHAT, RESTART, LOST = 4401, 4403, 4404, 1012, 1006
NEVER_AGAIN = frozenset({NOT_MEMBER, NO_CHAT})


class Connection(WSListener):
    """One WebSocket: writes into the reader's book as frames come."""

    def __init__(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        self.client = client
        self.live: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[int] = loop.create_future()
        self.code = LOST
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.client.frame(self, frame.get_payload_as_bytes(), time.time())
        elif frame.msg_type == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            self.code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.gone.done():
            self.gone.set_result(self.code)

    def send(self, frame: dict[str, Any]) -> None:
        assert self.transport is not None, "nothing is sent before it is connected"
        self.transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def drop(self) -> None:
        """Hang up without a word."""
        if self.transport is not None and not self.gone.done():
            self.transport.disconnect(False)


class Client:
    """A person's socket in a room, and what they send there."""

    def __init__(self, person: Person, reader: Reader, books: Books) -> None:
        self.person = person
        self.reader = reader
        self.books = books
        self.connection: Connection | None = None
        self.stopping = False
        self.hold = 0.0  # seconds to stay away before the next try, set by a scenario
        self._acks: dict[str, asyncio.Future[tuple[int, int]]] = {}
        self._paging: asyncio.Task[None] | None = None

    # --- the socket --------------------------------------------------------------------------

    async def stay(self) -> None:
        """Keep a socket until told to stop; a member who is refused for good stops as well."""
        attempt = 0
        while not self.stopping:
            code, was_live = await self._once()
            if self.stopping:
                return
            if code in NEVER_AGAIN or code == 403:
                self.reader.refusals[code] += 1
                if self.reader.kind == "member":
                    self.reader.cut(time.time(), code)
                    return
            self.reader.cut(time.time(), code)
            attempt = 0 if was_live else attempt + 1
            pause = random.uniform(0, RESTART_JITTER) if code == RESTART else backoff(attempt)
            await asyncio.sleep(pause + self.hold)
            self.hold = 0.0

    async def _once(self) -> tuple[int, bool]:
        """One connection; returns its close code (or the refusal's status), and if it was live."""
        reader, token = self.reader, self.person.access
        after = reader.last
        query = {"after": after} | ({"epoch": reader.epoch} if reader.epoch else {})
        connection = Connection(self)
        reader.begin(after)
        url = f"ws{self.person.http.url.removeprefix('http')}/ws/chats/{reader.room}/"
        try:
            await ws_connect(
                lambda: connection,
                f"{url}?{urlencode(query)}",
                ssl_context=self.person.http.tls,
                websocket_handshake_timeout=HANDSHAKE_SECONDS,
                extra_headers={"Sec-WebSocket-Protocol": f"chatire, jwt.{token}"},
                read_buffer_init_size=4096,
            )
        except WSHandshakeError as error:
            return (int(error.response.status) if error.response else LOST), False
        except (OSError, TimeoutError, WSError):
            return LOST, False
        if connection.transport is None:
            # Hung up within the handshake, of which no error tells: the engine's proxy does so
            # while nginx starts.
            return LOST, False
        self.connection = connection
        # A worker that takes a socket and then says nothing is left again.
        await first_of(connection.live, connection.gone, within=HANDSHAKE_SECONDS)
        if not connection.live.done():
            connection.drop()
        code = await connection.gone
        self.connection = None
        if code == NO_TOKEN:
            await self.person.renew(token)
        return code, connection.live.done()

    def frame(self, connection: Connection, raw: bytes, now: float) -> None:
        """Take note of a frame."""
        frame = json.loads(raw)
        kind = frame["type"]
        if kind == "message":
            self.reader.message(frame["seq"], frame["id"], now)
        elif kind == "ack" or (kind == "error" and frame.get("client_id")):
            waiting = self._acks.get(frame["client_id"])
            if waiting is not None and not waiting.done():
                if kind == "ack":
                    waiting.set_result((frame["seq"], frame["id"]))
                else:
                    waiting.set_exception(Rejected(frame.get("code", "?")))
        elif kind == "ready" and not connection.live.done():
            self.reader.ready(frame["seq"], frame["epoch"])
            self._live(connection, now)
        elif kind == "reset":
            old = self.reader.last if self.reader.epoch == frame["epoch"] else 0
            self.reader.reset(frame["seq"], frame["epoch"])
            self._live(connection, now)
            self._paging = asyncio.create_task(self._page_back(frame["seq"], old))

    def _live(self, connection: Connection, now: float) -> None:
        self.reader.came_back(now)
        if not connection.live.done():
            connection.live.set_result(None)

    async def _page_back(self, newest: int, known: int) -> None:
        """After a reset: what is older than the live stream, over HTTP."""
        before, room = newest + 1, self.reader.room
        while before > known + 1:
            path = f"/api/chats/{room}/messages/?limit={PAGE}&before={before}"
            rows = (await self.person.persist("GET", path))["messages"]
            if not rows:
                return
            self.reader.page([(row["seq"], row["id"]) for row in rows], time.time())
            before = rows[0]["seq"]

    async def renewed(self) -> None:
        """The person has a new token: tell the server before the old one runs out."""
        if self.connection is not None and self.connection.live.done():
            self.connection.send({"type": "auth", "token": self.person.access})

    async def stop(self) -> None:
        self.stopping = True
        if self._paging is not None:
            await asyncio.wait([self._paging], timeout=5)
        if self.connection is not None and self.connection.transport is not None:
            with contextlib.suppress(Exception):
                self.connection.transport.send_close()
            self.connection.drop()

    # --- sending -----------------------------------------------------------------------------

    async def say(self, text: str, over: Literal["http", "ws"]) -> Sent:
        """Send one message, again and again with the same client_id until it is acknowledged."""
        sent = Sent(self.reader.room, str(uuid.uuid4()), text, over, time.time())
        self.books.sent.append(sent)
        while sent.acked is None:
            sent.tries += 1
            pause = 0.0
            try:
                connection = self.connection
                live = connection is not None and connection.live.done()
                if over == "ws" and live and connection is not None:
                    sent.seq, sent.id = await self._over_socket(connection, sent)
                else:
                    sent.seq, sent.id = await self._over_http(sent)
                sent.acked = time.time()
            except Rejected as rejected:
                pause = rejected.pause
                self.books.retried[rejected.why] += 1
                if not rejected.passing:
                    self.books.refused.add(f"{sent.text} over {over}: {rejected.why}")
            if sent.acked is None:
                await asyncio.sleep(max(pause, backoff(sent.tries)))
        return sent

    async def _over_socket(self, connection: Connection, sent: Sent) -> tuple[int, int]:
        waiting: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._acks[sent.client_id] = waiting
        try:
            connection.send({"type": "message", "message": sent.text, "client_id": sent.client_id})
            await first_of(waiting, connection.gone, within=ACK_SECONDS)
            if waiting.done():
                return waiting.result()
            if not connection.gone.done():
                # It took the message and stays silent: it counts as dead.
                connection.drop()
                raise Rejected("socket: silent")
            raise Rejected("socket: cut")
        finally:
            del self._acks[sent.client_id]

    async def _over_http(self, sent: Sent) -> tuple[int, int]:
        token = self.person.access
        body = {"message": sent.text, "client_id": sent.client_id}
        path = f"/api/chats/{sent.room}/messages/"
        try:
            answer = await self.person.http.request("POST", path, token=token, body=body)
        except Unreachable as error:
            raise Rejected(f"http: {str(error).split(':')[0]}") from None
        if answer.status in (200, 201):
            stored = answer.json()
            return stored["seq"], stored["id"]
        if answer.status == 401:
            await self.person.renew(token)
            raise Rejected("http: 401")
        raise Rejected(f"http: {answer.status}", passing=passing(answer), pause=answer.retry_after)


async def first_of(*futures: asyncio.Future[Any], within: float) -> None:
    """Wait until one of them is done, or time is up."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)


# Codes of error frames that a client meets by repeating; all others are refusals.
PASSING_CODES = frozenset({"unavailable", "throttled"})


class Rejected(Exception):
    """A try that came to nothing."""

    def __init__(self, why: str, *, passing: bool | None = None, pause: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        told = why in PASSING_CODES or why.startswith(("socket", "http"))
        self.passing = told if passing is None else passing
        self.pause = pause
