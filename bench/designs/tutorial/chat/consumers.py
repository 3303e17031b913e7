"""The consumer of Channels' tutorial: a socket joins its room's group, and sends to it."""

import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer


class Chat(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/ws/<room>/`."""

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send('{"type":"ready"}')

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str = "", bytes_data: bytes | None = None) -> None:
        message = json.loads(text_data)["message"]
        user = {"id": 1, "username": "alice"}
        await self.channel_layer.group_send(
            self.room, {"type": "chat_message", "user": user, "message": message}
        )

    async def chat_message(self, event: dict[str, Any]) -> None:
        frame = {"type": "message", "user": event["user"], "message": event["message"]}
        await self.send(json.dumps(frame))
