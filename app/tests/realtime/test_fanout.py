"""What a message to many sockets costs: one encoding, one frame, one write a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connection
from websockets.asyncio.client import ClientConnection

from chat import actions, events
from realtime import wire
from realtime.hints import Hint
from realtime.hub import get_hub
from realtime.wire import WireProtocol
from tests.people import Person
from tests.realtime.inside import hear, served, socket
from tests.realtime.rooms import post

SOCKETS = 5


@contextlib.asynccontextmanager
async def sockets(person: Person, uri: str) -> AsyncIterator[list[ClientConnection]]:
    """Sockets of one chat, live and told who is online, on a server in this event loop."""
    async with served() as port, contextlib.AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(socket(port, person, uri)) for _ in range(SOCKETS)
        ]
        for client in opened:
            await hear(client, "presence")
        yield opened


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is written to the sockets of this process and has a message in it."""
    noted: list[bytes] = []
    push = WireProtocol.push

    def noting(self: WireProtocol, frames: bytes) -> None:
        if b'"type":"message"' in frames:
            noted.append(frames)
        push(self, frames)

    monkeypatch.setattr(WireProtocol, "push", noting)
    return noted


async def test_a_message_is_encoded_and_framed_once_for_all_sockets(
    alice_and_room: tuple[Person, str], written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, uri = alice_and_room
    encoded: list[str] = []
    encode, frame = events.message_frame, wire.framed

    def encoding(*row: Any) -> str:
        encoded.append(encode(*row))
        return encoded[-1]

    framed: list[bytes] = []

    def framing(payload: bytes) -> bytes:
        if b'"type":"message"' in payload:
            framed.append(payload)
        return frame(payload)

    monkeypatch.setattr(events, "message_frame", encoding)
    monkeypatch.setattr("realtime.outbox.framed", framing)
    async with sockets(alice, uri) as opened:
        await opened[0].send('{"message": "once"}')
        assert [(await hear(client, "message"))["seq"] for client in opened] == [1] * SOCKETS
        assert len(encoded) == 1
        assert framed == [encoded[0].encode()]
        assert [frames is written[0] for frames in written] == [True] * SOCKETS


async def test_what_comes_in_one_turn_of_the_loop_is_one_write_for_each_socket(
    alice_and_room: tuple[Person, str], written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write is a system call of uvloop's, which in a burst is most of what a delivery costs."""
    alice, uri = alice_and_room
    hints: list[Hint] = []
    # Stored, and told of by this test alone: all in one turn.
    monkeypatch.setattr(actions, "hint", lambda *about: hints.append(Hint(*about)))

    def post_three() -> None:
        for number in range(3):
            post(alice, uri, str(number))
        connection.close()

    async with sockets(alice, uri) as opened:
        hub = await get_hub()
        await asyncio.to_thread(post_three)
        for hint in hints:
            hub.hear(hint)
        for client in opened:
            assert [(await hear(client, "message"))["message"] for _ in hints] == ["0", "1", "2"]
        assert len(written) == SOCKETS
        assert {frames.count(b'"type":"message"') for frames in written} == {3}
