"""The bare limit with Channels' consumers in the place of its own: what they cost, nothing else.

CONSUMER says which: `text` and `json` are told of a message by a call; `layer` hears it through a
channel layer, as consumers usually do, here the least one that a consumer can have: a queue for
each socket. Whatever a real layer does comes on top.
"""

import asyncio
import json
import os
from collections import defaultdict
from itertools import count
from typing import Any

from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={"default": {"BACKEND": "through_channels.Queues"}}
    if os.environ["CONSUMER"] == "layer"
    else {}
)

import server
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer


class Queues:
    """A channel layer within one process that does nothing but hold what was sent."""

    def __init__(self) -> None:
        self._numbers = count()
        self.channels: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)

    async def new_channel(self) -> str:
        return f"socket-{next(self._numbers)}"

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.channels[channel].get()


class Text(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One socket."""

    @staticmethod
    def decoded(frame: str) -> Any:
        """What a frame becomes before each socket is told, once for all of them."""
        return frame

    async def connect(self) -> None:
        self.room = self.scope["path"].split("/")[2]
        server.rooms[self.room].add(self)
        await self.accept()
        await self.send('{"type":"ready"}')

    async def disconnect(self, code: int) -> None:
        server.rooms[self.room].discard(self)

    async def receive(self, text_data: str = "", bytes_data: bytes | None = None) -> None:
        await server.post(self.room, text_data)

    async def tell(self, frame: str) -> None:
        await self.send(frame)


class Json(AsyncJsonWebsocketConsumer, Text):  # type: ignore[misc]
    """The same with JSON in and out: each socket's frame is encoded for itself."""

    async def receive_json(self, content: Any, **_: Any) -> None:
        await server.post(self.room, json.dumps(content))

    @staticmethod
    def decoded(frame: str) -> Any:
        return json.loads(frame)

    async def tell(self, content: Any) -> None:
        await self.send_json(content)


class Layer(Text):
    """The same, hearing by its channel and `dispatch`."""

    async def tell(self, frame: str) -> None:
        queue = self.channel_layer.channels[self.channel_name]
        queue.put_nowait({"type": "chat.message", "frame": frame})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(event["frame"])


kind = {"text": Text, "json": Json, "layer": Layer}[os.environ["CONSUMER"]]
consumer = kind.as_asgi()


async def deliver(consumers: list[Any], frame: str) -> None:
    """Tell consumers of a message, one after the other."""
    content = kind.decoded(frame)
    for one in consumers:
        await one.tell(content)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await server.lifespan(receive, send, deliver)
    else:
        await consumer(scope, receive, send)
