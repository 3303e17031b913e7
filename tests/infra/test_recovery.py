"""What ends comes back, and nothing is lost on the way. Only for a stack of the tests' own."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from chat_client import Account, told, wait_until
from chat_workers import workers
from target import Node, Target, said
from traffic import posted_during

pytestmark = pytest.mark.disruptive

# An unready process says so within 10 s, wherever in its beat the trouble fell.
DEAF = 15.0
# A restarted node's health check runs every few seconds and has to pass once.
RESTART = 60.0


def test_messages_arrive_after_every_listener_was_cut_off(
    target: Target, room: str, alice: Account, bob: Account
) -> None:
    """The library's listener would be deaf for ever, and the process would look healthy."""
    with bob.listening(room) as socket:
        cut = target.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'chatire-listen:ws%' AND datname = current_database()"
        )
        assert int(cut) == len(target.nodes("ws"))
        while_deaf = alice.post(room, "while deaf")["seq"]
        socket.until("message", seq=while_deaf)
        wait_until(
            lambda: all(node.get("/readyz").status == 200 for node in target.nodes("ws")),
            "every ws process ready again",
        )
        afterwards = alice.post(room, "afterwards")["seq"]
        socket.until("message", seq=afterwards)
        assert [each["seq"] for each in socket.of("message")] == [while_deaf, afterwards]


def test_a_ws_process_that_restarts_tells_its_clients_to_come_back(
    target: Target, ws: Node, room: str, alice: Account, bob: Account
) -> None:
    """Those on it are closed with 1012 and resume; the others notice nothing."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(bob.listening(room)) for _ in range(2 * len(target.nodes("ws")))
        ]
        (epoch,) = {socket.of("ready")[0]["epoch"] for socket in sockets}
        before = alice.post(room, "before")["seq"]
        for socket in sockets:
            socket.until("message", seq=before)
        during = posted_during(ws.restart, alice, room)
        stayed, cut = [], []
        for socket in sockets:
            try:
                socket.until("message", seq=during[-1])
                stayed.append(socket)
            except AssertionError:
                assert socket.closed() == 1012
                cut.append(socket)
        assert stayed, "every socket was cut"
        assert cut, "no socket was cut"
        for socket in stayed:
            assert [frame["seq"] for frame in socket.of("message")] == [before, *during]
        for socket in cut:
            seen = socket.of("message")[-1]["seq"]
            with bob.listening(room, after=seen, epoch=epoch) as back:
                missed = [seq for seq in during if seq > seen]
                assert [frame["seq"] for frame in back.of("message")] == missed
    wait_until(lambda: ws.health.passing, f"{ws} healthy again", RESTART)


def test_no_post_fails_while_an_http_process_restarts(
    http: Node, room: str, alice: Account
) -> None:
    during = posted_during(http.restart, alice, room)
    assert during == list(range(during[0], during[0] + len(during)))
    assert len(during) > 1, "nothing was posted during the restart"
    wait_until(lambda: http.health.passing, f"{http} healthy again", RESTART)


def test_an_outage_of_the_database_is_told_and_survived(
    target: Target, postgres: Node, room: str, alice: Account, bob: Account
) -> None:
    """Nobody hangs, nobody is told a lie, and the socket that was open hears what comes after."""
    with bob.listening(room) as socket:
        before = alice.post(room, "before")["seq"]
        socket.until("message", seq=before)
        stopped = postgres.stop()
        assert stopped.rc == 0, said(stopped)
        try:
            refused = alice.request(
                "POST", f"/api/chats/{room}/messages/", json={"message": "lost"}
            )
            assert refused.status_code == 503, told(refused)
            assert "Retry-After" in refused.headers, told(refused)
            assert refused.json()["code"], told(refused)
            tiers = target.nodes("ws") + target.nodes("http")
            wait_until(
                lambda: all(node.get("/readyz").status == 503 for node in tiers),
                "every process of the tiers unready",
                DEAF,
            )
            assert all(node.get("/healthz").status == 200 for node in tiers)
        finally:
            started = postgres.start()
        assert started.rc == 0, said(started)

        def posted() -> int:
            answer = alice.request(
                "POST", f"/api/chats/{room}/messages/", json={"message": "afterwards"}
            )
            assert answer.status_code in (201, 503), told(answer)
            return answer.status_code == 201 and answer.json()["seq"]

        after = wait_until(posted, "a post goes through", RESTART)
        socket.until("message", within=RESTART, seq=after)
        assert [each["seq"] for each in socket.of("message")] == list(range(before, after + 1))
        assert after == before + 1, "what was refused was stored"
    wait_until(
        lambda: all(node.health.passing for node in target.nodes()), "every node healthy", RESTART
    )
    workers(target)
