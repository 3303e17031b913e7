"""Being told to stop: the first SIGTERM or SIGINT is a request, the second acts as ever."""

from __future__ import annotations

import signal
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Told:
    """Truthy once a signal has asked for the end; made in the main thread.

    A flag to be looked at, and no event: setting one from a handler can wait for a lock that the
    interrupted code holds.
    """

    def __init__(self) -> None:
        self._told = False
        self._before = {number: signal.signal(number, self._note) for number in STOPPING}

    def __bool__(self) -> bool:
        return self._told

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._told = True
        self.forget()

    def forget(self) -> None:
        """Handle signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
