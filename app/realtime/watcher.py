"""The other end of guard.py: `python -IS watcher.py PID SECONDS`, with beats on standard input.

It lives as long as its worker, so it imports what takes little memory.
"""

import os
import select
import signal
import sys

BEAT_SECONDS = 1.0


def watch(worker: int, seconds: int, beats: int) -> bool:
    """Return whether `worker` was ended, once it is; `beats` is the pipe's descriptor.

    Seconds are counted here one by one, so that a pause of the whole machine, or of the
    container, which stops both processes, counts as one.
    """
    missed = 0
    while missed < seconds:
        if select.select([beats], [], [], BEAT_SECONDS)[0]:
            if not os.read(beats, 4_096):
                return False
            missed = 0
        else:
            missed += 1
    print(  # noqa: T201  no logging here
        f"CRITICAL realtime.guard worker {worker} has stood still for {seconds} s: it is ended",
        file=sys.stderr,
        flush=True,
    )
    os.kill(worker, signal.SIGKILL)
    return True


if __name__ == "__main__":
    # A terminal's Ctrl-C is for the worker, whose end is the guard's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    watch(int(sys.argv[1]), int(sys.argv[2]), sys.stdin.fileno())
