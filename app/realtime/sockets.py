"""One signed-in WebSocket, as the hub, rooms and inboxes see it."""

import uuid
from typing import TYPE_CHECKING

from accounts.users import UserRow
from realtime.auth import Credentials
from realtime.outbox import Frames, Outbox

if TYPE_CHECKING:
    from realtime.room import Room


class Socket:
    """Who is at the other end, and where frames for them go."""

    __slots__ = ("expires", "outbox", "room", "sid", "user")

    def __init__(self, outbox: Outbox, credentials: Credentials) -> None:
        self.outbox = outbox
        self.user: UserRow = credentials.user
        self.sid: uuid.UUID = credentials.sid
        self.expires: int = credentials.expires
        # Set while the socket is live in a room.
        self.room: Room | None = None

    def push(self, *texts: str) -> None:
        """Send frames to this socket alone."""
        self.outbox.push(Frames([text.encode() for text in texts]))

    def close(self, code: int, reason: str = "") -> None:
        """Close this socket, without waiting."""
        self.outbox.close(code, reason)
