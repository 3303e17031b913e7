"""The bare limit: uvicorn, one LISTEN connection, a dict of sockets. No Django, no Channels.

`/ws/<room>/`: whatever text a socket sends goes to everyone in its room by one NOTIFY. With
STORE=1 the message is inserted, and committed, first. Nobody is asked who they are, nothing that
was missed is sent again, and one stalled reader stops its room.

through_channels.py and pushed.py are the same with another way to a socket; what stands for a
socket in `rooms` is theirs.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

DSN = os.environ["DSN"]
STORE = os.environ.get("STORE") == "1"
NOTIFY = "SELECT pg_notify('bare', %s)"
INSERT = "INSERT INTO bare_message (room, text) VALUES (%s, %s)"

# Given what is in a room, and a frame's text.
Deliver = Callable[[list[Any], str], Awaitable[None]]

rooms: dict[str, set[Any]] = defaultdict(set)
pool: Any = None


async def deliver(sends: list[Any], frame: str) -> None:
    """Send a frame to sockets, one after the other."""
    for send in sends:
        await send({"type": "websocket.send", "text": frame})


async def listen(hand_on: Deliver) -> None:
    """Hand every notification to its room's sockets."""
    async with await psycopg.AsyncConnection.connect(DSN, autocommit=True) as connection:
        await connection.execute("LISTEN bare")
        async for notification in connection.notifies():
            room, _, frame = notification.payload.partition(" ")
            await hand_on(list(rooms[room]), frame)


async def post(room: str, text: str) -> None:
    """Store a message if told to, and tell everyone."""
    frame = json.dumps(
        {"type": "message", "user": {"id": 1, "username": "alice"}, **json.loads(text)}
    )
    async with pool.connection() as connection:
        if STORE:
            await connection.execute(INSERT, (room, frame))
        await connection.execute(NOTIFY, (f"{room} {frame}",))


async def lifespan(receive: Any, send: Any, hand_on: Deliver = deliver) -> None:
    """Open the pool and the listener before the first socket."""
    global pool
    await receive()
    if STORE:
        async with await psycopg.AsyncConnection.connect(DSN, autocommit=True) as connection:
            await connection.execute("SELECT pg_advisory_lock(1)")
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS bare_message"
                " (id bigserial PRIMARY KEY, room text, text text, at timestamptz DEFAULT now())"
            )
    pool = AsyncConnectionPool(DSN, min_size=6, max_size=6, kwargs={"autocommit": True}, open=False)
    await pool.open(wait=True)
    task = asyncio.create_task(listen(hand_on))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    task.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Any, receive: Any, send: Any) -> None:
    """One socket."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    room = scope["path"].split("/")[2]
    await receive()
    await send({"type": "websocket.accept"})
    rooms[room].add(send)
    try:
        await send({"type": "websocket.send", "text": '{"type":"ready"}'})
        while (event := await receive())["type"] == "websocket.receive":
            await post(room, event["text"])
    finally:
        rooms[room].discard(send)
