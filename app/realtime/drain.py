"""Letting a worker's sockets go, so that their clients do not all come back at once."""

import asyncio
import random

from realtime.closing import RESTART
from realtime.hub import Hub

# The share of the time to stop that closing may take; the rest is for goodbyes and for what the
# clients' closing handshakes need.
SHARE = 0.6
# Few sockets are let go faster, but each of them costs the workers that take it a handshake and a
# resume: two cores took 400 a second with everything else when this was chosen, 800 since
# (`make bench WHAT=storm`), and in a deploy every old worker drains at once.
SOCKETS_PER_SECOND = 60
BATCH_SECONDS = 0.1


async def drain(hub: Hub, seconds: float) -> None:
    """Turn unready and close every socket with 1012, in batches, in random order.

    Takes at most its share of `seconds`. Sockets that ignore the close are cut by their outbox.
    """
    hub.draining = True
    sockets = list(hub.sockets)
    random.shuffle(sockets)
    span = min(seconds * SHARE, len(sockets) / SOCKETS_PER_SECOND)
    batches = max(1, int(span / BATCH_SECONDS))
    size = -(-len(sockets) // batches)
    for start in range(0, len(sockets), max(1, size)):
        for socket in sockets[start : start + size]:
            socket.close(RESTART, "the server restarts")
        if start + size < len(sockets):
            await asyncio.sleep(2 * BATCH_SECONDS * random.random())  # noqa: S311  jitter
    # Sockets that signed in while this went on.
    for socket in list(hub.sockets):
        socket.close(RESTART, "the server restarts")
