"""How long a scenario waits for what was sent."""

from __future__ import annotations

import asyncio
import time

import pytest

from load.socket import Socket
from scenarios import case


async def first_after(seconds: float) -> Socket:
    """A socket on which one message arrives so late."""
    socket = Socket(b"", b"", b"", None)

    def arrive() -> None:
        socket.times.append(time.perf_counter())
        socket.chunks.append(b"~0000001~")

    asyncio.get_running_loop().call_later(seconds, arrive)
    return socket


def test_who_has_nothing_yet_is_waited_for() -> None:
    async def wait() -> list[bytes]:
        socket = await first_after(case.QUIET_SECONDS + 0.5)
        await case.all_arrived([socket], 1)
        return socket.chunks

    assert asyncio.run(wait()) == [b"~0000001~"]


def test_what_never_comes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "LATE_SECONDS", 1.0)

    async def wait() -> float:
        socket = await first_after(60)
        begun = time.perf_counter()
        await case.all_arrived([socket], 1)
        return time.perf_counter() - begun

    assert 1.0 <= asyncio.run(wait()) < 5.0
