"""The two WebSocket endpoints, as plain ASGI applications.

Channels routes to them (routing.py), but they are not Channels consumers: its AsyncConsumer opens
a channel-layer channel for each socket, keeps two tasks and a queue for it, and hops through a
thread for every frame (`aclose_old_connections`). Here a socket is the one task that the server
runs anyway, waiting for the client's next frame; what is sent to it is pushed from outside by its
room or inbox.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from django.conf import settings

from chat import drafts, events, permissions
from chat.actions import Posted
from chat.drafts import Refused
from realtime import auth, frame, pool
from realtime.bucket import Bucket
from realtime.closing import (
    BAD_FRAME,
    FORBIDDEN,
    NO_SUCH_CHAT,
    RESTART,
    TOO_MANY,
    UNAUTHENTICATED,
    Close,
    Disconnected,
)
from realtime.hints import Hint
from realtime.hub import Hub, get_hub
from realtime.outbox import Send, make_outbox
from realtime.pool import AWAY
from realtime.query import ChatQuery, read_query
from realtime.room import Room
from realtime.sockets import Socket

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

# docs/protocol.md: a client that cannot set a subprotocol sends its token within this.
AUTH_SECONDS = 10.0
# One typing frame a socket in this time is passed on; the rest say nothing new.
TYPING_SECONDS = 1.0
# Messages of one socket that may be under way before its next frame is read.
MAX_UNDER_WAY = 64
# An echoed `client_id` is cut off here: a UUID with some slack.
MAX_ECHO = 64


class Endpoint(Protocol):
    """What a signed-in socket is for. One instance serves one socket."""

    async def attach(self, socket: Socket) -> None:
        """Make the socket live. May raise Close, Disconnected, psycopg.Error."""

    async def handle(self, socket: Socket, frame: dict[str, Any]) -> None:
        """Serve one frame of a type other than `auth`. May raise Close."""

    def detach(self, socket: Socket | None) -> None:
        """Undo `attach`, whether or not it was called or has succeeded."""


async def chat_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """`/ws/chats/<uri>/`: one chat."""
    hub = await get_hub()
    uri = scope["url_route"]["kwargs"]["uri"]
    endpoint = ChatEndpoint(hub, uri, read_query(scope["query_string"]))
    await serve(hub, endpoint, scope, receive, send)


async def inbox_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """`/ws/inbox/`: the list of one's chats."""
    hub = await get_hub()
    await serve(hub, InboxEndpoint(hub), scope, receive, send)


async def serve(hub: Hub, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket from its handshake to its end."""
    if (await receive())["type"] != "websocket.connect":
        return
    offered = scope["subprotocols"]
    subprotocol = auth.SUBPROTOCOL if auth.SUBPROTOCOL in offered else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    outbox = make_outbox(scope, send)
    hub.accepted += 1
    socket: Socket | None = None
    bucket = Bucket(settings.ENV.ws_frames_per_second, settings.ENV.ws_frames_burst)
    try:
        token: object = auth.offered_token(offered)
        if token is None:
            token = await _first_frame_token(receive)
        socket = Socket(outbox, await auth.authenticate(token))
        hub.signed_in.admit(socket)
        await endpoint.attach(socket)
        while True:
            received = await _next_frame(receive)
            if not bucket.take():
                raise Close(TOO_MANY, "too many frames")
            parsed = frame.parse(received)
            if parsed["type"] == "auth":
                await _renew(hub, socket, parsed.get("token"))
            else:
                await endpoint.handle(socket, parsed)
    except Disconnected:
        pass
    except Close as close:
        outbox.close(close.code, close.reason)
    except auth.Unauthenticated as error:
        outbox.close(UNAUTHENTICATED, str(error)[:100])
    except AWAY:
        # Signing in or attaching failed: another worker, or a later try, may do better.
        outbox.close(RESTART, "the database is away")
    finally:
        hub.accepted -= 1
        endpoint.detach(socket)
        if socket is not None:
            hub.signed_in.dismiss(socket)
    await outbox.flushed()


async def _next_frame(receive: Receive) -> str | None:
    """Return the next frame's text, None for a binary one; raises Disconnected."""
    event = await receive()
    if event["type"] == "websocket.disconnect":
        raise Disconnected
    text: str | None = event.get("text")
    return text


async def _first_frame_token(receive: Receive) -> object:
    """Wait for the `auth` frame and return its token; raises Close, Disconnected."""
    try:
        async with asyncio.timeout(AUTH_SECONDS):
            received = await _next_frame(receive)
    except TimeoutError:
        raise Close(UNAUTHENTICATED, "no token came") from None
    try:
        parsed = frame.parse(received)
    except Close as close:
        raise Close(UNAUTHENTICATED, "the first frame has to be auth") from close
    if parsed["type"] != "auth":
        raise Close(UNAUTHENTICATED, "the first frame has to be auth")
    return parsed.get("token")


async def _renew(hub: Hub, socket: Socket, token: object) -> None:
    """Take a newer token of the same user; raises Close, Unauthenticated."""
    if not isinstance(token, str):
        socket.push(events.error_frame("invalid", "token: Not a string.", None))
        return
    try:
        credentials = await auth.authenticate(token)
    except AWAY:
        socket.push(events.error_frame("unavailable", "The database is away.", None))
        return
    if credentials.user.id != socket.user.id:
        raise Close(UNAUTHENTICATED, "the token of somebody else")
    hub.signed_in.renew(socket, credentials.sid, credentials.expires)


class InboxEndpoint:
    """The caller's chats: frames go to the client only."""

    def __init__(self, hub: Hub) -> None:
        self._inbox = hub.inbox
        self._recorder = self._inbox.record()

    async def attach(self, socket: Socket) -> None:
        try:
            await self._inbox.attach(socket, self._recorder)
        finally:
            self._inbox.stop_recording(self._recorder)

    async def handle(self, socket: Socket, frame: dict[str, Any]) -> None:
        raise Close(BAD_FRAME, "unknown type")

    def detach(self, socket: Socket | None) -> None:
        self._inbox.stop_recording(self._recorder)
        if socket is not None:
            self._inbox.detach(socket)


class ChatEndpoint:
    """One chat, for one member."""

    __slots__ = ("_hub", "_query", "_room", "_typed_at", "_under_way", "_uri")

    def __init__(self, hub: Hub, uri: str, query: ChatQuery | None) -> None:
        self._hub = hub
        self._uri = uri
        self._query = query
        self._room: Room | None = None
        self._typed_at = 0.0
        # Messages on their way to being stored.
        self._under_way = 0

    async def attach(self, socket: Socket) -> None:
        access = await self._access(socket)
        if self._query is None:
            raise Close(BAD_FRAME, "after: not a whole number")
        self._room = await self._hub.enter(access.chat_id)
        while not await self._room.attach(socket, self._query, access):
            departures = self._room.departures
            access = await self._access(socket)
            if access.departures < departures:
                # The table went back behind what this worker has heard: a restored history, whose
                # epoch the worker is about to see.
                raise Close(RESTART, "come back")

    async def _access(self, socket: Socket) -> permissions.Access:
        async with pool.connection() as db:
            access = await permissions.aaccess(db, self._uri, socket.user.id)
        try:
            return permissions.require_member(access)
        except permissions.NoSuchChat:
            raise Close(NO_SUCH_CHAT, "no such chat") from None
        except permissions.Forbidden:
            raise Close(FORBIDDEN, "not a member") from None

    async def handle(self, socket: Socket, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if kind == "message":
            await self._post(socket, frame)
        elif kind == "typing":
            self._typing(socket)
        elif kind == "read":
            self._read(socket, frame)
        else:
            raise Close(BAD_FRAME, "unknown type")

    def detach(self, socket: Socket | None) -> None:
        if self._room is not None:
            if socket is not None:
                self._room.detach(socket)
            self._hub.leave(self._room)
            self._room = None

    async def _post(self, socket: Socket, frame: dict[str, Any]) -> None:
        client_id = frame.get("client_id")
        try:
            draft = drafts.check_draft(frame.get("message"), client_id)
        except Refused as refused:
            detail = f"{refused.field}: {refused.detail}"
            socket.push(events.error_frame(refused.code, detail, _echo(client_id)))
            return
        stored = self._hub.writer.post(self._uri, socket.user, draft)
        stored.add_done_callback(functools.partial(self._stored, socket, draft))
        self._under_way += 1
        if self._under_way >= MAX_UNDER_WAY:
            await asyncio.wait([stored])

    def _stored(self, socket: Socket, draft: drafts.Draft, stored: asyncio.Future[Posted]) -> None:
        """Tell everyone of a message that is committed, and its author what became of it."""
        self._under_way -= 1
        try:
            posted = stored.result()
        except permissions.NoSuchChat:
            socket.close(NO_SUCH_CHAT, "no such chat")
        except permissions.Forbidden:
            socket.close(FORBIDDEN, "not a member any more")
        except AWAY:
            # Whether it is stored is not known; sent again with its client_id, it is once.
            remedy = "send it again with the same client_id."
            if draft.client_id is None:
                remedy = "look whether the message is there before sending it again."
            detail = f"The database is away; {remedy}"
            socket.push(events.error_frame("unavailable", detail, draft.client_id))
        else:
            row = posted.row
            if posted.created:
                frame_text = events.message_frame(row)
                hint = Hint(row.chat_id, row.seq, posted.departures, frame_text)
                self._hub.tell_message(hint, posted.told)
            # At once, and so ahead of the message's own frame, which waits for the room's turn: who
            # reads on to the ack, and then to the message, finds both.
            socket.push(events.ack_frame(row.client_id, row.seq, row.id))

    def _typing(self, socket: Socket) -> None:
        now = self._hub.loop.time()
        if self._room is not None and now - self._typed_at >= TYPING_SECONDS:
            self._typed_at = now
            self._hub.tell_typing(self._room.chat_id, socket.user)

    def _read(self, socket: Socket, frame: dict[str, Any]) -> None:
        try:
            seq = drafts.check_seq(frame.get("seq"))
        except Refused as refused:
            detail = f"{refused.field}: {refused.detail}"
            socket.push(events.error_frame(refused.code, detail, None))
            return
        if self._room is not None:
            self._hub.reads.put((self._room.chat_id, socket.user, seq))


def _echo(client_id: object) -> str | None:
    """Return a refused `client_id` as it came, if it can be sent back."""
    if isinstance(client_id, str) and len(client_id) <= MAX_ECHO and drafts.is_storable(client_id):
        return client_id
    return None
