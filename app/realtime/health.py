"""Whether this worker lives, and whether it can serve."""

import asyncio
from typing import Any

from django.conf import settings

from realtime import pool
from realtime.hub import Hub
from realtime.pool import AWAY

# An answer for a health check has to come soon; this is part of it.
PROBE_SECONDS = 2.0
# The slow tick asks every 2 s: a younger answer need not be asked for again.
FRESH_SECONDS = 3.0


def trouble(hub: Hub) -> str:
    """Return why this worker takes no new sockets, or nothing. Asks nobody, so it costs nothing."""
    if hub.draining:
        return "draining: this worker is about to stop"
    if reason := hub.listener.health().reason:
        return reason
    if hub.accepted >= settings.ENV.ws_max_sockets:
        return f"full: {hub.accepted} sockets"
    return ""


async def readiness(hub: Hub) -> tuple[bool, dict[str, Any]]:
    """Return whether the worker can serve, and the facts. A full worker is ready: it serves."""
    listener = hub.listener.health()
    database = await _database_trouble(hub)
    reasons = [listener.reason] if listener.reason else []
    if database:
        reasons.append(f"database: {database}")
    if hub.draining:
        reasons.append("draining: this worker is about to stop")
    facts = {
        "status": "unready" if reasons else "ready",
        "reasons": reasons,
        # The name of its rows in the channel layer and in presence: which process serves what.
        "worker": hub.worker,
        "listener": {"age_seconds": round(listener.age, 1), "hears": not listener.reason},
        "database": {"reached": not database},
        "sockets": len(hub.sockets),
        "rooms": len(hub.rooms),
        "tasks": len(asyncio.all_tasks()),
    }
    return not reasons, facts


async def _database_trouble(hub: Hub) -> str:
    ticks = hub.ticks
    if not ticks.database_trouble and hub.loop.time() - ticks.database_at < FRESH_SECONDS:
        return ""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await pool.fetch("SELECT 1")
    except AWAY as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return ""
