"""Which path leads where on the WebSocket tier, and what is refused at the door."""

import json
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import re_path

from realtime import health
from realtime.consumers import Receive, Scope, chat_socket, inbox_socket
from realtime.hub import close_hub, get_hub
from realtime.origin import allowed_origins, origin_of
from realtime.outbox import Send
from realtime.refusal import refuse

RETRY_SECONDS = 2


async def unknown_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake on a path that leads nowhere."""
    await refuse(scope, send, 404, "not_found", "There is no such socket.")


class Door:
    """Lets a handshake in, or refuses it: a foreign page, a worker that cannot take more."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        # Whose pages may use the API may listen, too.
        self._origins = allowed_origins([*settings.ENV.origins, *settings.ENV.cors_origins])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = origin_of(scope["headers"])
        if origin is not None and origin not in self._origins:
            await refuse(scope, send, 403, "foreign_origin", "This page may not connect here.")
        elif reason := health.trouble(await get_hub()):
            # nginx passes a handshake that gets a 503 on to another worker.
            await refuse(scope, send, 503, "unavailable", reason, RETRY_SECONDS)
        else:
            await self._inner(scope, receive, send)


async def plain_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer health checks, and tell everything else that this tier speaks WebSocket."""
    path = scope["path"]
    if path == "/healthz":
        await _answer(send, 200, {"status": "alive"})
    elif path == "/readyz":
        ready, facts = await health.readiness(await get_hub())
        await _answer(send, 200 if ready else 503, facts)
    elif path.startswith("/ws/"):
        await refuse(scope, send, 426, "upgrade_required", "This address speaks WebSocket.")
    else:
        await refuse(scope, send, 404, "not_found", "There is nothing here.")


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    encoded = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(encoded)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start the hub with the server, and close it with the server."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await get_hub()
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await close_hub()
            await send({"type": "lifespan.shutdown.complete"})
            return


# Typed for Django's views; Channels routes any ASGI application with them.
_path: Any = re_path

websocket_urlpatterns = [
    _path(r"^ws/chats/(?P<uri>[A-Za-z0-9_-]{1,64})/$", chat_socket),
    _path(r"^ws/inbox/$", inbox_socket),
    _path(r"", unknown_socket),
]

application = ProtocolTypeRouter(
    {
        "websocket": Door(URLRouter(websocket_urlpatterns)),
        "http": plain_http,
        "lifespan": lifespan,
    }
)
