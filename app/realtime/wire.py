"""uvicorn's WebSocket protocol, with what a fan-out needs and an ASGI `send` cannot give.

It leans on uvicorn's `WebSocketsSansIOProtocol` (0.54), in few places, each held by a test:

- a frame to a browser is not masked, so it is the same bytes for every socket: `push` writes
  them straight to the transport, without a task, a queue or an await;
- the write buffer can be watched, and a peer that does not read is let go with `abort`; a plain
  close waits until such a peer has read everything, so for ever;
- a client that breaks the protocol (frame too large, no UTF-8) gets its close frame: closing
  at once, with unread input, would reset the connection and the frame would be lost;
- a request that is no WebSocket handshake after all is answered and not left hanging.

Applications find it as `scope["extensions"]["chatire.wire"]["connection"]`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "chatire.wire"
# What a peer gets to answer a close frame, or to read what lies before it.
CLOSE_SECONDS = 5.0
# A peer whose frame was refused is still sending it. nginx hangs up on both sides at the end of
# ours, and what lies unread there resets the connection before the close frame is read.
QUIET_SECONDS = 0.2
INVALID_UTF8 = 1007
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def framed(payload: bytes) -> bytes:
    """Return the WebSocket text frame of a payload: unmasked, final, uncompressed."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


class WireProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection of the server."""

    _quiet: asyncio.TimerHandle | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    @property
    def buffered(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def push(self, wire: bytes) -> None:
        """Write frames as they are; the caller watches `buffered`."""
        if not self.gone:
            self.transport.write(wire)

    async def drained(self) -> None:
        """Wait until the peer has taken most of what was written, or is gone."""
        await self.writable.wait()

    def shut(self, code: int, reason: str) -> None:
        """Send a close frame, without waiting; what has not ended soon after is cut."""
        if self.gone or not self.handshake_complete:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._linger()

    def _linger(self) -> None:
        """Read on for the peer's answer to a close frame, and cut after a while."""
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    # -- uvicorn's hooks ----------------------------------------------------------------------

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = {"connection": self}

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is not None:
            # Broken already; what still comes is read so that the close frame arrives.
            self._end_when_quiet()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            output = b"".join(self.conn.data_to_send())
            self.transport.write(output or BAD_REQUEST)
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # uvicorn would log a traceback for what a client can do at will.
                self.frames = []
                self.shut(INVALID_UTF8, "")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        if self.close_sent:
            return
        close = self.conn.close_sent
        code, reason = (close.code, close.reason) if close is not None else (1002, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._linger()
        self._end_when_quiet()

    def _end_when_quiet(self) -> None:
        """Say that nothing follows, once the peer has been silent for a moment."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self.loop.call_later(QUIET_SECONDS, self._end)

    def _end(self) -> None:
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        if self.close_sent and self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._quiet is not None:
            self._quiet.cancel()
        # Cycles would keep a dead connection's memory until the garbage collector comes by.
        if self.handshake_initiated and hasattr(self, "scope"):
            self.scope["extensions"].pop(EXTENSION, None)
