"""nginx: what is routed where, and what every answer carries."""

from __future__ import annotations

import re

import httpx
import pytest

from chat_client import Chat, told
from target import Node, Target, said

JSON = "application/json"


def test_nginx_is_what_runs(nginx: Node) -> None:
    assert "nginx" in nginx.processes[0].command, nginx.processes
    assert len(nginx.processes) >= 2, nginx.processes


def test_its_configuration_is_valid(nginx: Node) -> None:
    """What runs is what a restart would start."""
    configuration = re.search(r"-c (\S+)", nginx.processes[0].command)
    option = f"-c {configuration.group(1)}" if configuration else ""
    checked = nginx.run(f"nginx -t -q {option}")
    assert checked.rc == 0, said(checked)


def test_it_listens_where_it_serves_and_nowhere_else(target: Target, nginx: Node) -> None:
    """With TLS on a second port as well, which only redirects to the first."""
    ports = {each.at for each in nginx.listeners if each.address != "127.0.0.11"}
    expected = 2 if target.url.startswith("https:") else 1
    assert len([at for at in ports if at.isdigit()]) == expected, ports


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html"),
        ("/auth", 200, "text/html"),
        ("/chats/some-chat", 200, "text/html"),
        ("/healthz", 200, JSON),
        ("/readyz", 200, JSON),
        ("/api/chats/", 401, JSON),
        ("/auth/users/me/", 401, JSON),
        ("/api/schema/", 200, JSON),
        ("/admin/login/", 200, "text/html"),
        ("/static/admin/css/base.css", 200, "text/css"),
        ("/api/nothing/", 404, JSON),
        ("/auth/nothing/", 404, JSON),
        ("/metrics", 404, None),
        ("/ws/inbox/", 426, JSON),
        ("/ws/chats/some-chat/", 426, JSON),
        ("/static/../manage.py", 404, None),
        ("/.git/config", 404, None),
        ("/.env", 404, None),
    ],
)
def test_the_path_is_answered(chat: Chat, path: str, status: int, kind: str | None) -> None:
    answer = chat.http.get(path)
    assert answer.status_code == status, told(answer)
    assert kind is None or answer.headers["Content-Type"].startswith(kind), told(answer)


@pytest.mark.parametrize("path", ["/api/nothing/", "/api/chats/", "/auth/nothing/", "/ws/inbox/"])
def test_an_error_is_json_with_a_code(chat: Chat, path: str) -> None:
    body = chat.http.get(path).json()
    assert set(body) >= {"detail", "code"}, body


@pytest.mark.parametrize(
    "path", ["/", "/api/chats/", "/healthz", "/ws/inbox/", "/metrics", "/static/admin/css/base.css"]
)
@pytest.mark.parametrize(
    ("header", "content"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer|same-origin|strict-origin.*"),
        ("Content-Security-Policy", ".*frame-ancestors '(none|self)'.*"),
    ],
)
def test_every_answer_carries_the_header(chat: Chat, path: str, header: str, content: str) -> None:
    answer = chat.http.get(path)
    assert re.fullmatch(content, answer.headers.get(header, "missing")), told(answer)
    assert len(answer.headers.get_list(header)) == 1, told(answer)


def test_the_page_runs_its_own_scripts_only(chat: Chat) -> None:
    policy = chat.http.get("/").headers["Content-Security-Policy"]
    directives = {
        name: values
        for name, *values in (part.split() for part in policy.split(";") if part.strip())
    }
    scripts = directives.get("script-src", directives.get("default-src"))
    assert scripts == ["'self'"], policy
    assert directives.get("object-src", directives.get("default-src")) == ["'none'"], policy
    assert directives.keys() >= {"base-uri", "form-action"}, policy


@pytest.mark.parametrize("path", ["/", "/api/chats/", "/metrics", "/.git/config"])
def test_no_answer_tells_a_version(chat: Chat, path: str) -> None:
    answer = chat.http.get(path)
    assert not re.search(r"\d", answer.headers.get("Server", "")), told(answer)
    assert "X-Powered-By" not in answer.headers
    assert "nginx/" not in answer.text


def test_a_forged_host_is_refused(chat: Chat) -> None:
    answer = chat.http.get("/api/chats/", headers={"Host": "elsewhere.invalid"})
    assert answer.status_code in (400, 404, 421), told(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere.invalid"},
        {"X-Forwarded-Host": "elsewhere.invalid"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"},
    ],
)
def test_a_forged_forwarding_header_is_not_believed(chat: Chat, headers: dict[str, str]) -> None:
    answer = chat.http.get("/auth/users/me/", headers=headers)
    assert "elsewhere.invalid" not in f"{answer.headers} {answer.text}", told(answer)
    assert answer.status_code in (400, 401, 404, 421), told(answer)


@pytest.mark.parametrize("path", ["/api/chats/", "/auth/users/"])
def test_a_body_over_the_limit_is_413_in_json(chat: Chat, path: str) -> None:
    answer = chat.http.post(
        path, content=b'{"message":"' + b"x" * 2**20 + b'"}', headers={"Content-Type": JSON}
    )
    assert answer.status_code == 413, told(answer)
    assert set(answer.json()) >= {"detail", "code"}, told(answer)


@pytest.mark.parametrize("path", ["/", "/chats/some-chat", "/auth"])
def test_the_page_is_asked_for_again_after_a_deploy(chat: Chat, path: str) -> None:
    """The page names hashed assets: a stale copy would name ones that are gone."""
    cached = chat.http.get(path).headers.get("Cache-Control", "")
    assert "no-cache" in cached or "no-store" in cached or "max-age=0" in cached, cached


def test_hashed_assets_are_kept_for_ever(chat: Chat) -> None:
    page = chat.http.get("/").text
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    if not assets:
        pytest.skip("the page is the placeholder: it names no hashed asset")
    answer = chat.http.get(assets[0])
    assert answer.status_code == 200, told(answer)
    assert "immutable" in answer.headers["Cache-Control"], told(answer)


def test_an_asset_that_is_gone_is_not_answered_with_the_page(chat: Chat) -> None:
    answer = chat.http.get("/assets/gone-00000000.js")
    assert answer.status_code == 404, told(answer)
    assert "immutable" not in answer.headers.get("Cache-Control", ""), told(answer)


def test_text_is_compressed(chat: Chat) -> None:
    answer = chat.http.get("/static/admin/css/base.css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers.get("Content-Encoding") == "gzip", told(answer)


def test_answers_of_the_api_are_kept_by_no_cache(chat: Chat) -> None:
    answer = chat.http.get("/auth/users/me/")
    assert "public" not in answer.headers.get("Cache-Control", ""), told(answer)


@pytest.mark.parametrize("path", ["/", "/api/chats/", "/healthz", "/admin/login/"])
@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_upgrades_are_let_through_under_ws_only(chat: Chat, path: str, upgrade: str) -> None:
    answer = chat.http.get(
        path,
        headers={
            "Connection": "Upgrade",
            "Upgrade": upgrade,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status_code in (200, 401), told(answer)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_reflect_or_tunnel_are_refused(chat: Chat, method: str) -> None:
    try:
        answer = chat.http.request(method, "/api/chats/")
    except httpx.RemoteProtocolError:
        return  # the connection was closed on it
    assert answer.status_code in (400, 401, 405), told(answer)
