"""The WebSocket tier: one uvicorn process a listener, alive, ready, and not deaf."""

from __future__ import annotations

import pytest

from target import Node

# nginx and the worker need a descriptor a socket; what the tier promises to hold by default.
SOCKETS = 10_000


def test_one_server_process_runs_and_its_guard(ws: Node) -> None:
    servers = [each for each in ws.processes if "realtime.server" in each.command]
    guards = [each for each in ws.processes if "realtime/watcher.py" in each.command]
    assert len(servers) == len(guards) == 1, ws.processes
    assert guards[0].parent == servers[0].pid
    assert len(ws.processes) == 2, ws.processes


def test_it_listens_for_nginx_alone(ws: Node) -> None:
    listeners = [each for each in ws.listeners if each.address != "127.0.0.11"]
    assert len(listeners) == 1, listeners
    assert not ws.published


def test_it_lives(ws: Node) -> None:
    answer = ws.get("/healthz")
    assert answer.status == 200, answer
    answer.json()


def test_it_is_ready_because_it_hears_itself(ws: Node) -> None:
    answer = ws.get("/readyz")
    assert answer.status == 200, answer
    answer.json()


@pytest.mark.parametrize("path", ["/ws/chats/anything/", "/ws/inbox/"])
def test_a_request_that_is_no_upgrade_is_426(ws: Node, path: str) -> None:
    answer = ws.get(path)
    assert answer.status == 426, answer
    assert answer.json()["code"]


def test_it_serves_nothing_else(ws: Node) -> None:
    answer = ws.get("/api/chats/")
    assert answer.status == 404, answer
    answer.json()


def test_it_may_open_as_many_sockets_as_it_promises(ws: Node) -> None:
    limits = ws.check(f"cat /proc/{ws.main_pid}/limits").splitlines()
    soft = next(line for line in limits if line.startswith("Max open files")).split()[3]
    assert int(soft) >= SOCKETS + 100, soft
