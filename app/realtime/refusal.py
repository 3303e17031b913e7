"""Handshakes that are refused before they become sockets."""

import json
from typing import Any

from realtime.outbox import Send


async def refuse(
    scope: dict[str, Any], send: Send, status: int, code: str, detail: str, retry_after: int = 0
) -> None:
    """Answer a handshake, or a plain request, with a JSON error.

    A server without the denial extension answers a refused handshake with 403 of its own.
    """
    kind = scope["type"]
    if kind == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close"})
            return
        kind = "websocket.http"
    body = json.dumps({"detail": detail, "code": code}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 426:
        headers += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
