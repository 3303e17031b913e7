"""Bad input through nginx: each gets what docs/protocol.md says, and nobody else notices."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket as sockets
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chat_client import Account, Chat, Socket, connected, told

# A frame may be 64 KiB; nginx and the server both have to let that pass and no more.
FRAME_LIMIT = 64 * 1024

LONGEST = 2000  # code points

BAD_TEXTS: dict[str, Any] = {
    "empty": "",
    "white space": " \t\n ",
    "too long": "x" * (LONGEST + 1),
    "NUL": "a\0b",
    "lone surrogate": "\ud800",
    "a number": 5,
    "a list": ["x"],
    "an object": {"x": 1},
    "true": True,
    "null": None,
}


# --- over HTTP --------------------------------------------------------------------------------


def refused(answer: httpx.Response, status: int) -> None:
    """An error of that status, in JSON, that shows nothing of the inside."""
    assert answer.status_code == status, told(answer)
    assert answer.headers["Content-Type"].startswith("application/json"), told(answer)
    assert isinstance(answer.json(), dict | list), told(answer)
    assert "Traceback" not in answer.text, told(answer)


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_bad_message_is_400(room: str, alice: Account, case: str) -> None:
    body = json.dumps({"message": BAD_TEXTS[case]})
    answer = alice.request(
        "POST",
        f"/api/chats/{room}/messages/",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    refused(answer, 400)


def test_a_refused_message_uses_up_no_seq(room: str, alice: Account) -> None:
    first = alice.post(room, "first")["seq"]
    alice.request("POST", f"/api/chats/{room}/messages/", json={"message": ""})
    alice.request("POST", f"/api/chats/{room}/messages/", json={"message": "x", "client_id": 1})
    assert alice.post(room, "second")["seq"] == first + 1


@pytest.mark.parametrize(
    "text", ["x" * LONGEST, "\U0001f600" * LONGEST, " kept ", "<script>alert(1)</script>", "'; --"]
)
def test_text_is_kept_as_it_was_sent(room: str, alice: Account, text: str) -> None:
    assert alice.post(room, text)["message"] == text
    assert alice.history(room)[-1]["message"] == text


@pytest.mark.parametrize("body", ["{", "[]", "null", '"x"', "5", "\xff\xfe", '{"message": "x"'])
def test_a_body_that_is_no_json_object_is_400(room: str, alice: Account, body: str) -> None:
    answer = alice.request(
        "POST",
        f"/api/chats/{room}/messages/",
        content=body.encode("latin-1"),
        headers={"Content-Type": "application/json"},
    )
    refused(answer, 400)


@pytest.mark.parametrize("identity", ["not-a-uuid", 5, ["x"], "", {"x": 1}])
def test_a_client_id_that_is_no_uuid_is_400(room: str, alice: Account, identity: Any) -> None:
    body = {"message": "x", "client_id": identity}
    refused(alice.request("POST", f"/api/chats/{room}/messages/", json=body), 400)


def test_unknown_fields_are_ignored(room: str, alice: Account) -> None:
    body = {"message": "x", "seq": 99, "id": 1, "user": {"username": "root"}, "new": True}
    stored = alice.ok("POST", f"/api/chats/{room}/messages/", 201, json=body)
    assert stored["user"]["username"] == alice.username
    assert stored["seq"] != 99


def test_a_form_is_as_good_as_json(room: str, alice: Account) -> None:
    """The tutorial's `curl --data`."""
    stored = alice.ok("POST", f"/api/chats/{room}/messages/", 201, data={"message": "by form"})
    assert stored["message"] == "by form"


@pytest.mark.parametrize(
    "query",
    [
        {"after": "x"},
        {"before": "1.5"},
        {"limit": "many"},
        {"after": "1", "before": "5"},
        {"after": "9" * 40},
        {"before": "-" + "9" * 40},
        {"limit": "9" * 40},
        {"after": "\0"},
    ],
)
def test_absurd_query_numbers_are_no_server_error(
    room: str, alice: Account, query: dict[str, str]
) -> None:
    answer = alice.request("GET", f"/api/chats/{room}/messages/", params=query)
    assert answer.status_code in (200, 400), told(answer)
    answer.json()


@pytest.mark.parametrize(
    "query", [{"after": "1", "before": "5"}, {"limit": "many"}, {"after": "x"}, {"before": "1.5"}]
)
def test_a_query_that_is_no_number_or_asks_both_ways_is_400(
    room: str, alice: Account, query: dict[str, str]
) -> None:
    refused(alice.request("GET", f"/api/chats/{room}/messages/", params=query), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/chats/"),
        ("DELETE", "/api/chats/"),
        ("PUT", "/auth/jwt/create/"),
        ("GET", "/auth/jwt/create/"),
    ],
)
def test_a_wrong_method_is_405(alice: Account, method: str, path: str) -> None:
    refused(alice.request(method, path), 405)


@pytest.mark.parametrize("uri", ["x" * 65, "has.dot", "%2e%2e", "a%20b", "ü", "%ff", "x" * 4000])
def test_an_impossible_chat_is_404(alice: Account, uri: str) -> None:
    refused(alice.request("GET", f"/api/chats/{uri}/messages/"), 404)


def test_a_path_that_nginx_itself_refuses_is_answered_in_json(alice: Account) -> None:
    refused(alice.request("GET", "/api/chats/%00/messages/"), 400)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_access_is_decided_before_input_is_looked_at(
    room: str, chat: Chat, stranger: Account, method: str
) -> None:
    path = f"/api/chats/{room}/messages/?limit=x"
    assert chat.http.request(method, path, json={}).status_code == 401
    assert stranger.request(method, path, json={}).status_code == 403
    missing = stranger.request(method, "/api/chats/no-such-chat/messages/?limit=x", json={})
    assert missing.status_code == 404


# --- tokens -----------------------------------------------------------------------------------


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return decoded


def forged(token: str, case: str) -> str:
    """A token made from a good one, as somebody without the key would."""
    header, payload, signature = token.split(".")
    match case:
        case "alg none":
            return f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}."
        case "alg None with the signature":
            return f"{part({'alg': 'None', 'typ': 'JWT'})}.{payload}.{signature}"
        case "another key":
            signed = hmac.digest(b"guess", f"{header}.{payload}".encode(), hashlib.sha256)
            return f"{header}.{payload}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"
        case "another user":
            return f"{header}.{part(claims(token) | {'user_id': '1', 'sub': '1'})}.{signature}"
        case "a later end":
            return f"{header}.{part(claims(token) | {'exp': 2**40})}.{signature}"
        case "no signature":
            return f"{header}.{payload}."
        case "no token":
            return "x"
    raise AssertionError(case)


FORGERIES = [
    "alg none",
    "alg None with the signature",
    "another key",
    "another user",
    "a later end",
    "no signature",
    "no token",
]


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_token_opens_nothing_over_http(chat: Chat, alice: Account, case: str) -> None:
    answer = chat.http.get(
        "/auth/users/me/", headers={"Authorization": f"JWT {forged(alice.access, case)}"}
    )
    refused(answer, 401)


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_token_opens_no_socket(room: str, chat: Chat, alice: Account, case: str) -> None:
    with Socket(chat.socket_url(f"/ws/chats/{room}/"), forged(alice.access, case)) as socket:
        assert socket.closed() == 4401
        assert not socket.frames


@pytest.mark.parametrize("by", ["http", "socket"])
def test_a_refresh_token_is_no_access_token(room: str, chat: Chat, alice: Account, by: str) -> None:
    if by == "http":
        answer = chat.http.get(
            "/auth/users/me/", headers={"Authorization": f"JWT {alice.refresh_token}"}
        )
        refused(answer, 401)
    else:
        with Socket(chat.socket_url(f"/ws/chats/{room}/"), alice.refresh_token) as socket:
            assert socket.closed() == 4401


@pytest.mark.parametrize(
    "header", ["JWT", "Basic eDp5", "JWT a b", "Bearer", "JWT \xff", "JWT " + "x" * 6000]
)
def test_a_malformed_authorization_is_401(chat: Chat, header: str) -> None:
    answer = chat.http.get("/auth/users/me/", headers={b"Authorization": header.encode("latin-1")})
    refused(answer, 401)


def test_bearer_is_as_good_as_jwt(chat: Chat, alice: Account) -> None:
    answer = chat.http.get("/auth/users/me/", headers={"Authorization": f"Bearer {alice.access}"})
    assert answer.status_code == 200, told(answer)


def test_a_wrong_password_is_401(chat: Chat, alice: Account) -> None:
    body = {"username": alice.username, "password": "wrong"}
    refused(chat.http.post("/auth/jwt/create/", json=body), 401)


# --- over a socket ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws/inbox/", "/ws/chats/{room}/"])
@pytest.mark.parametrize("origin", ["https://elsewhere.invalid", "null", "http://localhost.evil"])
def test_a_foreign_origin_is_refused_at_the_handshake(
    room: str, chat: Chat, alice: Account, path: str, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        Socket(chat.socket_url(path.format(room=room)), alice.access, origin=origin)
    assert refusal.value.response.status_code == 403


def test_the_chats_own_origin_is_let_in(room: str, chat: Chat, alice: Account) -> None:
    path = chat.socket_url(f"/ws/chats/{room}/")
    with Socket(path, alice.access, origin=chat.url) as socket:
        socket.until("ready")


@pytest.mark.parametrize("path", ["/ws/", "/ws/nothing/", "/ws/chats/", "/ws/inbox/more/"])
def test_an_unknown_path_is_404_or_4404(chat: Chat, alice: Account, path: str) -> None:
    try:
        with Socket(chat.socket_url(path), alice.access) as socket:
            told_how = socket.closed()
    except InvalidStatus as refusal:
        told_how = refusal.response.status_code
    assert told_how in (404, 4404)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x01",
        "not JSON",
        "[]",
        "null",
        "5",
        '"text"',
        '{"type": "nothing"}',
        '{"type": 5}',
        '{"type": null}',
        "{}",
        "",
    ],
)
def test_a_frame_of_no_known_type_closes_with_4400(
    room: str, alice: Account, frame: str | bytes
) -> None:
    with alice.listening(room) as socket:
        socket.send(frame)
        assert socket.closed() == 4400


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_bad_field_is_an_error_and_the_socket_stays(room: str, alice: Account, case: str) -> None:
    with alice.listening(room) as socket:
        socket.send(json.dumps({"type": "message", "message": BAD_TEXTS[case]}))
        error = socket.until("error")
        assert error["code"]
        assert error["detail"]
        socket.send({"type": "message", "message": "still here"})
        socket.until("message", message="still here")


def test_an_error_names_the_message_it_refuses(room: str, alice: Account) -> None:
    identity = "00000000-0000-4000-8000-000000000001"
    with alice.listening(room) as socket:
        socket.send({"type": "message", "message": "", "client_id": identity})
        assert socket.until("error")["client_id"] == identity


@pytest.mark.parametrize("seq", ["x", None, -1, 1.5, 2**80, True])
def test_an_absurd_read_is_no_reason_to_fall(room: str, alice: Account, seq: Any) -> None:
    with alice.listening(room) as socket:
        socket.send({"type": "read", "seq": seq})
        socket.send({"type": "message", "message": "still here"})
        socket.until("message", message="still here")


def test_a_frame_at_the_limit_is_read(room: str, alice: Account) -> None:
    frame = json.dumps({"type": "typing", "padding": ""})
    padding = "x" * (FRAME_LIMIT - len(frame))
    with alice.listening(room) as socket:
        socket.send(json.dumps({"type": "typing", "padding": padding}))
        socket.send({"type": "message", "message": "still here"})
        socket.until("message", message="still here")


def test_a_frame_over_the_limit_closes_with_4413_or_1009(room: str, alice: Account) -> None:
    with alice.listening(room) as socket:
        socket.send(json.dumps({"type": "typing", "padding": "x" * FRAME_LIMIT}))
        assert socket.closed() in (4413, 1009)


def test_a_first_frame_that_is_not_auth_closes_with_4401(room: str, chat: Chat) -> None:
    with Socket(chat.socket_url(f"/ws/chats/{room}/"), None) as socket:
        socket.send({"type": "message", "message": "let me in"})
        assert socket.closed() == 4401


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", f"after={'9' * 40}", "after=&epoch=", "epoch=%00"]
)
def test_an_absurd_resume_is_answered_with_ready_or_reset(
    room: str, chat: Chat, alice: Account, query: str
) -> None:
    """Or refused; never a crash, and never somebody else's frames."""
    with Socket(chat.socket_url(f"/ws/chats/{room}/") + f"?{query}", alice.access) as socket:
        try:
            frame = socket.receive()
        except ConnectionClosed:
            assert socket.closed() in (4400, 4404)
        else:
            assert frame["type"] in ("ready", "reset", "presence", "members"), frame


def test_a_token_in_the_address_opens_nothing(room: str, chat: Chat) -> None:
    """A token never stands in a URL; this one is not a real one, for the same reason."""
    with Socket(chat.socket_url(f"/ws/chats/{room}/", token="x", jwt="x"), None) as socket:
        socket.send({"type": "typing"})
        assert socket.closed() == 4401


# --- slow and half-open clients -----------------------------------------------------------------


def test_half_a_request_keeps_nobody_waiting(room: str, chat: Chat, alice: Account) -> None:
    """Many clients that never finish their request occupy no worker of the HTTP tier."""
    stuck = [connected(chat.url) for _ in range(40)]
    try:
        for each in stuck:
            each.sendall(
                b"POST /auth/jwt/create/ HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
        begin = time.monotonic()
        alice.post(room, "past the stuck ones")
        assert time.monotonic() - begin < 5
    finally:
        for each in stuck:
            each.close()


def test_a_reader_that_stalls_holds_nobody_up(room: str, alice: Account, bob: Account) -> None:
    """Its window is closed; the others in the room get every message at once."""
    with closing(connected(alice.chat.url)) as stalled, bob.listening(room) as reader:
        stalled.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
        stalled.sendall(
            f"GET /ws/chats/{room}/ HTTP/1.1\r\nHost: {urlsplit(alice.chat.url).netloc}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: chatire, jwt.{alice.access}\r\n\r\n".encode()
        )
        assert stalled.recv(64).startswith(b"HTTP/1.1 101"), "the stalled reader was not let in"
        last = 0
        for _ in range(10):
            reader.send({"type": "message", "message": "\u20ac" * LONGEST})
            last = reader.until("ack", within=5)["seq"]
        reader.until("message", seq=last, within=5)
        assert len(reader.of("message")) == 10


def test_a_connection_that_ends_without_a_close_frame_is_forgotten(
    room: str, alice: Account, bob: Account
) -> None:
    with bob.listening(room) as reader:
        with alice.listening(room) as lost:
            lost.connection.socket.shutdown(sockets.SHUT_RDWR)
        online = [bob.username, alice.username]
        while alice.username in online:
            online = [user["username"] for user in reader.until("presence")["online"]]
        assert online == [bob.username]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("QQ", {}),
        ("GET", {f"X-Filler-{number}": "x" for number in range(120)}),
        ("POST", {"Content-Type": "application/json; a*=foo''bar"}),
    ],
    ids=["method", "headers", "parameter"],
)
def test_what_django_does_not_get_to_see_is_refused_as_json_too(
    chat: Chat, method: str, headers: dict[str, str]
) -> None:
    """gunicorn's own refusals are HTML, and an error while a request is made is a traceback."""
    answer = chat.http.request(method, "/api/chats/", headers=headers)
    assert 400 <= answer.status_code < 500, told(answer)
    assert answer.headers["Content-Type"] == "application/json", told(answer)
    assert set(answer.json()) == {"detail", "code"}, told(answer)
