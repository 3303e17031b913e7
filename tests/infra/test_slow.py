"""Clients that never finish what they began are let go, within seconds. They all begin at once,
so that the module takes as long as the slowest time-out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest

from chat_client import Chat, Socket, connected

pytestmark = pytest.mark.slow

# nginx gives a head or a body 10 s, the ws tier a first frame as long; and some for a busy machine.
AT_MOST = 14.0
# Sooner, and a phone on a train would be let go too.
AT_LEAST = 5.0


@dataclass(frozen=True)
class End:
    """How and when a client was let go."""

    said: str
    seconds: float


def half_a_head(chat: Chat) -> str:
    return after(chat, b"GET /api/chats/ HTTP/1.1\r\nHost: localhost\r\nX-Half: ")


def half_a_body(chat: Chat) -> str:
    return after(
        chat,
        b"POST /api/chats/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    )


def after(chat: Chat, sent: bytes) -> str:
    """What a bare connection hears after it sent something, up to its end."""
    with closing(connected(chat.url)) as client:
        client.settimeout(AT_MOST + 5)
        client.sendall(sent)
        heard = b""
        while piece := client.recv(4096):
            heard += piece
    return heard.decode()


def no_first_frame(chat: Chat) -> str:
    with Socket(chat.socket_url("/ws/inbox/"), None) as socket:
        return str(socket.closed(within=AT_MOST + 5))


CLIENTS: dict[str, Callable[[Chat], str]] = {
    "half a head": half_a_head,
    "half a body": half_a_body,
    "a socket without its first frame": no_first_frame,
}


@pytest.fixture(scope="module")
def ends(chat: Chat) -> Iterator[dict[str, Future[End]]]:
    def timed(client: Callable[[Chat], str]) -> End:
        begin = time.monotonic()
        return End(client(chat), time.monotonic() - begin)

    with ThreadPoolExecutor(len(CLIENTS)) as threads:
        yield {name: threads.submit(timed, client) for name, client in CLIENTS.items()}


@pytest.mark.parametrize("client", CLIENTS)
def test_it_is_let_go_in_time(ends: dict[str, Future[End]], client: str) -> None:
    assert AT_LEAST < ends[client].result().seconds < AT_MOST


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ("half a head", r"(HTTP/1\.1 408 .*)?"),
        ("half a body", r"(HTTP/1\.1 408 .*)?"),
        ("a socket without its first frame", "4401"),
    ],
)
def test_it_is_told_nothing_but_why(ends: dict[str, Future[End]], client: str, said: str) -> None:
    end = ends[client].result()
    assert re.fullmatch(said, end.said, re.DOTALL), end
