"""More and fewer processes, with nothing lost and nothing that stays restarted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat_client import Account, Socket, wait_until
from target import Node, Target, said

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
    assert (len(target.nodes("http")), len(target.nodes("ws"))) == (http, ws), said(done)


def healthy(nodes: list[Node]) -> bool:
    return all(node.health.passing for node in nodes)


def test_scaling_out_restarts_nothing_and_loses_no_socket(
    target: Target, size: tuple[int, int], room: str, alice: Account, bob: Account
) -> None:
    before = starts(target)
    with bob.listening(room) as held:
        scaled(target, size[0] + 1, size[1] + 1)
        after = starts(target)
        assert {name: after[name] for name in before} == before
        wait_until(lambda: healthy(target.nodes()), "every node healthy", within=60)
        stored = alice.post(room, "to a socket that stayed")
        held.until("message", seq=stored["seq"])
        assert len(held.of("ready")) == 1


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
    scaled(target, size[0], size[1] + 1)
    wait_until(lambda: healthy(target.nodes("ws")), "every ws process healthy", within=60)
    sockets = [bob.socket(room) for _ in range(3 * (size[1] + 1))]
    epoch = {socket.until("ready")["epoch"] for socket in sockets}.pop()
    before = alice.post(room, "before")["seq"]
    for socket in sockets:
        socket.until("message", seq=before)
    scaled(target, size[0], size[1])
    after = alice.post(room, "after")["seq"]
    cut = 0
    for socket in sockets:
        with socket:
            try:
                socket.until("message", seq=after)
            except AssertionError:
                assert socket.closed() == 1012
                cut += 1
    assert 0 < cut < len(sockets), f"{cut} of {len(sockets)} sockets were told to come back"
    with bob.listening(room, after=before, epoch=epoch) as back:
        assert [frame["seq"] for frame in back.of("message")] == [after]
