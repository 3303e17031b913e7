"""Durable publishing with `seq`: what hints cost, and what one room alone can take.

chatire's own writer and flusher run without sockets (designs/publish). All in one room is held
against one connection that stores one message after another; what one room takes through the
sockets of a ws worker is measured by `ws` (posts.py).
"""

from __future__ import annotations

import functools
import json

from load.statistic import latencies
from meter import Meter, Run
from scenarios.case import Case, Scenario
from targets.chatire import ENVIRONMENT, Chatire
from targets.design import Design

CONNECTIONS = 16
SECONDS = 6.0


async def publish(
    design: Design, run: Run, *, connections: int, rooms: int, hints: bool, seconds: float
) -> None:
    """Messages a second, and how long a hint takes to a listener."""
    source = design.pod.root / "bench/designs/publish"
    ((user,),) = design.pod.sql("SELECT id FROM auth_user WHERE username = 'bench-0'")
    env = {
        **ENVIRONMENT,
        "CHATIRE_DB_USER": "chatire_app",
        "CHATIRE_TIER": "ws",
        "CONNECTIONS": str(connections),
        "ROOMS": " ".join(Chatire.uris[:rooms]),
        "SECONDS": str(seconds),
        "HINTS": str(int(hints)),
        "USER_ID": user,
    }
    options = (
        "--user", "10012:10000", "--volume", f"{design.pod.secrets}:/run/secrets:ro",
        "--volume", f"{source}:/srv/bench:ro", "--entrypoint", "python",
    )  # fmt: skip
    with Meter(design.pod, run):
        said = design.pod.once("app", "/srv/bench/publish.py", env=env, options=options)
    found = json.loads(said.splitlines()[-1])
    # They run in a container of their own, which the meter does not see.
    run.cpu |= found["cpu"]
    run.rss |= found["rss"]
    run.figures = {**latencies(found["took"]), "messages_per_s": found["stored"] / seconds}
    if hints:
        run.lost, run.doubled = found["lost"], found["doubled"]
        if run.lost or run.doubled:
            run.error = f"{run.lost} of {found['stored']} hints lost, {run.doubled} doubled"
            run.figures = {}
            return
        reached = latencies(found["hint_took"])
        run.figures |= {f"hint_{name}": value for name, value in reached.items()}


def cases(quick: bool) -> list[Case]:
    seconds = 2.0 if quick else SECONDS
    return [
        Case(
            name,
            functools.partial(
                publish, connections=connections, rooms=rooms, hints=hints, seconds=seconds
            ),
        )
        for name, connections, rooms, hints in (
            ("16 connections, 100 rooms, no hints", CONNECTIONS, 100, False),
            ("16 connections, 100 rooms, hints", CONNECTIONS, 100, True),
            ("16 connections, one room, hints", CONNECTIONS, 1, True),
            ("one connection, one room, no hints", 1, 1, False),
        )
    ]


DURABLE = Scenario(
    "durable", "Durable publishing with seq", ("chatire",), cases, lambda design: None
)
