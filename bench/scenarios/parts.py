"""What the parts of a ws tier cost: uvicorn's WebSocket implementations, Channels' consumers.

All of them are the bare limit with one part exchanged, so its own row is what each is held against:
uvicorn's websockets-sansio, and an ASGI application of a few lines.
"""

from __future__ import annotations

import functools

from scenarios.case import Case, Scenario
from scenarios.crowd import idle
from scenarios.fanout import BURST, PACED_RATE, PACED_SOCKETS, burst, steady
from scenarios.rooms import closed_loop

PACED_SECONDS = 8.0
# Half of what each is measured with elsewhere: enough that a socket's share stands out.
IDLE_SOCKETS = 2_000
ROOMS, SECONDS = 20, 4.0


def cases(quick: bool) -> list[Case]:
    # Idle ones first: the sockets of a burst leave memory behind that others then take.
    sockets = 500 if quick else IDLE_SOCKETS
    found = [Case(f"{sockets} idle", functools.partial(idle, sockets=sockets))]
    for sockets in (100, 1_000):
        messages = BURST[sockets] // 4 if quick else BURST[sockets]
        measure = functools.partial(burst, sockets=sockets, messages=messages)
        found.append(Case(f"burst {sockets}", measure))
    seconds = 3.0 if quick else PACED_SECONDS
    paced = functools.partial(steady, sockets=PACED_SOCKETS, rate=PACED_RATE, seconds=seconds)
    found.append(Case(f"paced {PACED_SOCKETS}", paced))
    talk = functools.partial(closed_loop, rooms=ROOMS, seconds=1.0 if quick else SECONDS)
    found.append(Case(f"{ROOMS} rooms of 2", talk))
    return found


PARTS = Scenario(
    "parts",
    "The bare limit with one part exchanged",
    (
        "bare", "bare-websockets", "bare-wsproto", "bare-pushed", "bare-channels",
        "bare-channels-json", "bare-channels-layer",
    ),
    cases,
)  # fmt: skip
