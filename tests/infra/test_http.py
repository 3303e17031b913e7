"""The HTTP tier: gunicorn on a listener of its own, alive, ready, and set for production."""

from __future__ import annotations

from target import Node, Target, said


def test_gunicorn_is_what_runs(http: Node) -> None:
    assert "gunicorn" in http.processes[0].command, http.processes
    assert len(http.processes) >= 2, f"a master without workers: {http.processes}"


def test_it_listens_for_nginx_alone(http: Node) -> None:
    """One listener, at which only the node in front arrives; nothing for debuggers or metrics."""
    listeners = [each for each in http.listeners if each.address != "127.0.0.11"]
    assert len(listeners) == 1, listeners
    assert not http.published


def test_it_lives(http: Node) -> None:
    answer = http.get("/healthz")
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    answer.json()


def test_it_is_ready(http: Node) -> None:
    answer = http.get("/readyz")
    assert answer.status == 200, answer
    answer.json()


def test_it_refuses_a_host_it_does_not_serve(http: Node) -> None:
    answer = http.get("/api/chats/", host="elsewhere.invalid")
    assert answer.status == 400, answer


def test_the_shipped_settings_pass_djangos_own_deployment_checks(target: Target) -> None:
    checked = target.manage("check", "--deploy", "--fail-level", "WARNING")
    assert checked.rc == 0, said(checked)


def test_the_channel_layer_is_configured(target: Target) -> None:
    """A misconfigured layer is None without a word (TIME_ZONE missing)."""
    asked = target.manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from channels.layers import get_channel_layer; print(type(get_channel_layer()).__name__)",
    )
    assert asked.stdout.strip() not in ("", "NoneType"), said(asked)
