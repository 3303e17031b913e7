"""How far the members of one room have read, for those who come to it.

The table says it once, when the room opens; after that the events do. So a thousand sockets that
come back at once cost no query.
"""

from chat import events
from chat.standing import MOST_MARKS, Mark
from realtime.outbox import Frames


class Marks:
    """The furthest marks of a room, MOST_MARKS of them, each with its finished frame."""

    def __init__(self) -> None:
        self._marks: dict[int, tuple[int, bytes]] = {}

    def learn(self, mark: Mark) -> bytes | None:
        """Take a mark; returns its frame when it is further than what was known."""
        user, seq = mark
        known, _ = self._marks.get(user.id, (0, b""))
        if seq <= known:
            return None
        frame = events.read_frame(user, seq).encode()
        self._marks[user.id] = (seq, frame)
        if len(self._marks) > MOST_MARKS:
            del self._marks[min(self._marks, key=lambda user_id: self._marks[user_id][0])]
        return frame

    def forget(self, user_id: int) -> None:
        """Drop the mark of someone who is no member any more."""
        self._marks.pop(user_id, None)

    def keep(self, members: set[int]) -> None:
        """Drop the marks of all but these."""
        for user_id in self._marks.keys() - members:
            del self._marks[user_id]

    def of_others(self, user_id: int) -> Frames | None:
        """Return the frames for one reader, who knows what they have read; None for none."""
        frames = [frame for other, (_, frame) in self._marks.items() if other != user_id]
        return Frames(frames) if frames else None
