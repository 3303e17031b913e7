"""Ends a worker whose event loop stands still, so that whatever supervises it starts another.

The worker (`Guard`) writes a byte a second into a pipe from its event loop. At the other end sits
watcher.py, run by a Python of its own that has loaded next to nothing. A worker that is stopped,
spins or hangs in a call keeps its listening socket, and the kernel goes on taking handshakes for
it, which nginx waits for as long as for an idle tunnel; once the worker is gone they are passed
on, and its clients come back and resume.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from realtime.watcher import BEAT_SECONDS

WATCHER = Path(__file__).with_name("watcher.py")


class Guard:
    """The worker's end: beats on the running event loop until it is closed, or the process ends."""

    def __init__(self, seconds: int) -> None:
        """Have this process ended after `seconds` without a beat."""
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        # Isolated, without site packages: a few megabytes, there in some milliseconds.
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and file
            [sys.executable, "-IS", WATCHER, str(os.getpid()), str(seconds)], stdin=reading
        )
        os.close(reading)
        self._task = asyncio.get_running_loop().create_task(self._beat(), name="guard")

    async def _beat(self) -> None:
        while True:
            # Full: the guard itself stands still. Broken: it is gone. Both are bearable.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._writing, b".")
            await asyncio.sleep(BEAT_SECONDS)

    def close(self) -> None:
        """Send the guard home: from here the worker may take its time."""
        self._task.cancel()
        with contextlib.suppress(OSError):
            os.close(self._writing)
        self._process.wait()
