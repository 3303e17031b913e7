"""The bare limit on the WebSocket protocol that chatire's own ws tier gives to uvicorn.

Run with `--ws wire:WireProtocol`: a message is framed once, and the same bytes are written to every
socket's transport, where the others `await send(…)` for each. Nothing else of chatire is in it.
"""

from typing import Any

import server
from wire import EXTENSION, framed


async def deliver(connections: list[Any], frame: str) -> None:
    """Write a frame to all of them."""
    wire = framed(frame.encode())
    for connection in connections:
        connection.push(wire)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """One socket."""
    if scope["type"] == "lifespan":
        await server.lifespan(receive, send, deliver)
        return
    room = scope["path"].split("/")[2]
    await receive()
    await send({"type": "websocket.accept"})
    connection = scope["extensions"][EXTENSION]["connection"]
    server.rooms[room].add(connection)
    try:
        await send({"type": "websocket.send", "text": '{"type":"ready"}'})
        while (event := await receive())["type"] == "websocket.receive":
            await server.post(room, event["text"])
    finally:
        server.rooms[room].discard(connection)
