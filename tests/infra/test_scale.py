"""More and fewer processes, with nothing lost and nothing that stays restarted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from chat_client import Account, Socket, wait_until
from target import Node, Target, said
from traffic import posted_during

pytestmark = pytest.mark.disruptive


@pytest.fixture
def size(target: Target) -> Iterator[tuple[int, int]]:
    """How many http and ws nodes there are; as many there are again at the end."""
    before = len(target.nodes("http")), len(target.nodes("ws"))
    yield before
    target.scale(*before)


def starts(target: Target) -> dict[str, tuple[str, int]]:
    return {str(node): node.starts for node in target.nodes()}


def scaled(target: Target, http: int, ws: int) -> None:
    done = target.scale(http, ws)
    assert done.rc == 0, said(done)
    sized(target, http, ws)


def sized(target: Target, http: int, ws: int) -> None:
    assert (len(target.nodes("http")), len(target.nodes("ws"))) == (http, ws)


def healthy(nodes: list[Node]) -> bool:
    return all(node.health.passing for node in nodes)


def test_scaling_out_restarts_nothing_and_loses_no_socket(
    target: Target, size: tuple[int, int], room: str, alice: Account, bob: Account
) -> None:
    before = starts(target)
    with bob.listening(room) as held:
        more = size[0] + 1, size[1] + 1
        posted = posted_during(lambda: target.scale(*more), alice, room)
        sized(target, *more)
        after = starts(target)
        assert {name: after[name] for name in before} == before
        wait_until(lambda: healthy(target.nodes()), "every node healthy", within=60)
        posted.append(alice.post(room, "to a socket that stayed")["seq"])
        held.until("message", seq=posted[-1])
        assert [frame["seq"] for frame in held.of("message")] == posted


def test_a_new_ws_process_is_given_sockets(
    target: Target, size: tuple[int, int], room: str, alice: Account, bob: Account
) -> None:
    old = {str(node) for node in target.nodes("ws")}
    scaled(target, size[0], size[1] + 1)
    (new,) = [node for node in target.nodes("ws") if str(node) not in old]
    wait_until(lambda: new.health.passing, f"{new} healthy", within=60)
    sockets: list[Socket] = []
    try:
        sockets += [bob.socket(room) for _ in range(4 * len(target.nodes("ws")))]
        for socket in sockets:
            socket.until("ready")
        name = new.get("/readyz").json()["worker"]
        wait_until(
            lambda: target.query(f"SELECT 1 FROM realtime_presence WHERE worker = '{name}'"),
            f"one of {len(sockets)} sockets goes to {new}",
        )
        stored = alice.post(room, "in the new process too")
        for socket in sockets:
            socket.until("message", seq=stored["seq"])
    finally:
        for socket in sockets:
            socket.close()


def test_scaling_in_sends_sockets_elsewhere_and_loses_no_message(
    target: Target, size: tuple[int, int], room: str, alice: Account, bob: Account
) -> None:
    scaled(target, size[0] + 1, size[1] + 1)
    wait_until(lambda: healthy(target.nodes()), "every node healthy", within=60)
    with ExitStack() as stack:
        sockets = [stack.enter_context(bob.listening(room)) for _ in range(3 * (size[1] + 1))]
        (epoch,) = {socket.of("ready")[0]["epoch"] for socket in sockets}
        posted = posted_during(lambda: target.scale(*size), alice, room)
        sized(target, *size)
        cut = 0
        for socket in sockets:
            try:
                socket.until("message", seq=posted[-1])
                assert [frame["seq"] for frame in socket.of("message")] == posted
            except AssertionError:
                assert socket.closed() == 1012
                seen = [frame["seq"] for frame in socket.of("message")]
                after = seen[-1] if seen else posted[0] - 1
                with bob.listening(room, after=after, epoch=epoch) as back:
                    assert seen + [frame["seq"] for frame in back.of("message")] == posted
                cut += 1
        assert 0 < cut < len(sockets), f"{cut} of {len(sockets)} sockets were told to come back"
