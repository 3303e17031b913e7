"""What comes before any field is looked at: addresses, methods, hosts, bodies, encodings."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from werkzeug.test import Client as WSGIClient

from chatire.wsgi import application
from ops.middleware import MAX_BODY_BYTES
from tests.people import PASSWORD, Person, make_chat, nobody

pytestmark = pytest.mark.django_db


def is_problem(answer: Any) -> bool:
    body = answer.json()
    return set(body) == {"detail", "code"} and all(isinstance(v, str) for v in body.values())


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/nothing/",
        "/auth/",
        "/auth/nothing/",
        "/api/chats",
        "/auth/users",
        "/auth/jwt/create",
        "/auth/users/reset_password/",
        "/auth/users/activation/",
        "/metrics",
        "/",
        "/healthz/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_address_is_a_json_404(alice: Person, path: str, method: str) -> None:
    answer = getattr(alice, method)(path)
    assert answer.status_code == 404
    assert is_problem(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/api/chats/"),
        ("delete", "/api/chats/"),
        ("put", "/api/chats/x/"),
        ("delete", "/api/chats/x/"),
        ("delete", "/api/chats/x/messages/"),
        ("get", "/api/chats/x/read/"),
        ("get", "/api/chats/x/members/y/"),
        ("get", "/auth/users/"),
        ("delete", "/auth/users/me/"),
        ("patch", "/auth/users/me/"),
        ("get", "/auth/jwt/create/"),
        ("get", "/auth/logout/"),
        ("options", "/api/chats/"),
        ("options", "/auth/users/"),
        ("trace", "/api/chats/"),
        ("post", "/healthz"),
        ("post", "/readyz"),
        ("post", "/api/schema/"),
    ],
)
def test_a_wrong_method_is_a_json_405_that_names_the_right_ones(
    alice: Person, method: str, path: str
) -> None:
    answer = alice.call(method, path)
    assert answer.status_code == 405
    assert is_problem(answer)
    assert answer.headers["Allow"]


def test_no_cache_keeps_what_is_ones_own(alice: Person) -> None:
    answers = [
        alice.get("/api/chats/"),
        nobody().get("/api/chats/"),
        alice.post("/auth/jwt/refresh/", {"refresh": alice.refresh}),
        alice.get("/api/nothing/"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 404]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_foreign_host_is_a_json_400(db: Any) -> None:
    for host in ("evil.example", "a b", "localhost:8080@evil.example", "[::1"):
        answer = Client().get("/api/chats/", headers={"Host": host})
        assert answer.status_code == 400, host
        assert is_problem(answer)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "nonsense", ""])
def test_answers_are_json_whatever_one_accepts(alice: Person, accept: str) -> None:
    headers = {"Authorization": f"JWT {alice.access}", "Accept": accept}
    answer = Client().get("/api/chats/", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "content_type", ["application/xml", "text/plain", "image/png", "x", "a/b/c"]
)
def test_another_kind_of_body_is_415(content_type: str) -> None:
    answer = nobody().post("/auth/users/", "<a/>", content_type=content_type)
    assert answer.status_code == 415
    assert is_problem(answer)


BROKEN_JSON = [
    b"{",
    b"\xff\xfe{\x00}\x00",
    b'{"username": "\xff"}',
    b"\xef\xbb\xbf{}",
    b'{"username": NaN}',
    b'{"username": -Infinity}',
    b"{'username': 'a'}",
    b'{"username": "a",}',
    b'{"username": "a"} x',
    b'{"username": ' + b"9" * 5000 + b"}",
    b"[" * 30_000,
    b'{"a":' * 10_000,
    b"\x00",
]


@pytest.mark.parametrize("body", BROKEN_JSON, ids=range(len(BROKEN_JSON)))
def test_broken_json_is_400(body: bytes) -> None:
    answer = nobody().post("/auth/users/", body)
    assert answer.status_code == 400
    assert set(answer.json()) <= {"detail", "code", "username", "password"}


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"5", b"null", b"true", b"[{}]"])
@pytest.mark.parametrize(
    "path", ["/auth/users/", "/auth/jwt/create/", "/auth/jwt/refresh/", "/auth/logout/"]
)
def test_json_that_is_no_object_is_400(path: str, body: bytes) -> None:
    answer = nobody().post(path, body)
    # `null` is taken for an empty body, where a body may be left out.
    optional = path in ("/auth/jwt/refresh/", "/auth/logout/")
    assert answer.status_code == 400 or (body == b"null" and optional), answer.content


@pytest.mark.parametrize(
    "charset", ["rot13", "base64", "zlib", "utf-16", "utf-7", "idna", "x", "''"]
)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_bodies_are_utf_8_whatever_they_claim(
    transactional_db: Any, kind: str, charset: str
) -> None:
    body = f'{{"username": "dora", "password": "{PASSWORD}"}}'
    if kind != "application/json":
        body = f"username=dora&password={PASSWORD}"
    # Through the real application: Django's test client makes requests of its own.
    answer = WSGIClient(application).post(
        "/auth/users/?q=%FF", data=body.encode(), content_type=f"{kind}; charset={charset}"
    )
    assert answer.status_code == 201, answer.data


@pytest.mark.parametrize(
    "parameter", ["a*=foo''bar", "a*=idna''%41", "a*=utf-8", "boundary*=foo''x"]
)
def test_parameters_of_a_type_that_cannot_be_read_are_left_out(
    transactional_db: Any, parameter: str
) -> None:
    client = WSGIClient(application)
    body = f'{{"username": "dora", "password": "{PASSWORD}"}}'
    answer = client.post(
        "/auth/users/", data=body.encode(), content_type=f"application/json; {parameter}"
    )
    assert answer.status_code == 201, answer.data
    assert client.get("/healthz", content_type=f"text/plain; {parameter}").status_code == 200
    form = client.post("/auth/users/", data=b"x", content_type=f"multipart/form-data; {parameter}")
    assert form.status_code == 400, form.data
    assert form.json is not None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=" + "a" * 500, b"x"),
        ("application/x-www-form-urlencoded", b"&" + b"a=1&" * 5000),
        ("application/x-www-form-urlencoded", b"username=%00&password=%FF"),
        ("application/x-www-form-urlencoded", b"\xff\xfe=%zz"),
    ],
)
def test_a_broken_form_is_400(content_type: str, body: bytes) -> None:
    answer = Client().generic("POST", "/auth/users/", body, content_type=content_type)
    # A boundary that is none makes it no form at all.
    assert answer.status_code in (400, 415)
    answer.json()


# Bytes that no UTF-8 has, raw and escaped, and half a surrogate pair as CESU-8 writes it.
@pytest.mark.parametrize(
    "text", [b"%FF", b"a%C3", b"%ED%A0%80", b"\xff", b"\xed\xa0\x80", b"%C3&client_id=%A9"]
)
def test_a_form_that_is_no_utf_8_is_400_and_stores_nothing(alice: Person, text: bytes) -> None:
    uri = make_chat(alice)
    answer = alice.post(
        f"/api/chats/{uri}/messages/",
        b"message=" + text,
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 400
    assert is_problem(answer)
    assert alice.get(f"/api/chats/{uri}/").json()["last_seq"] == 0


@pytest.mark.parametrize("path", ["/auth/users/", "/api/chats/", "/api/nothing/"])
def test_a_large_body_is_a_json_413(alice: Person, path: str) -> None:
    answer = alice.post(path, b'"' + b"x" * 1_000_000 + b'"')
    assert answer.status_code == 413
    assert is_problem(answer)


def test_the_longest_message_in_its_longest_form_is_not_too_large(alice: Person) -> None:
    uri = make_chat(alice)
    escaped = "\\ud83d\\ude00" * 2000
    answer = alice.post(f"/api/chats/{uri}/messages/", f'{{"message": "{escaped}"}}')
    assert answer.status_code == 201
    assert len(answer.json()["message"]) == 2000
    assert len(escaped) < MAX_BODY_BYTES


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "9" * 30, "", "0x10"])
def test_a_strange_content_length_is_no_error_of_the_server(length: str) -> None:
    answer = nobody().client.generic(
        "POST", "/auth/users/", b"{}", content_type="application/json", CONTENT_LENGTH=length
    )
    assert 400 <= answer.status_code < 500
    answer.json()


def test_cors_is_off_unless_a_variable_names_an_origin(alice: Person, settings: Any) -> None:
    headers = {"Authorization": f"JWT {alice.access}", "Origin": "https://other.example"}
    answer = Client().get("/api/chats/", headers=headers)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    settings.CORS_ALLOWED_ORIGINS = ["https://other.example"]
    answer = Client().get("/api/chats/", headers=headers)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://other.example"
    # The cookie stays with the shipped page.
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_error_inside_is_a_json_500_without_a_traceback(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chat import views

    def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(views, "members", broken)
    uri = make_chat(alice)
    alice.client.raise_request_exception = False
    answer = alice.get(f"/api/chats/{uri}/")
    assert answer.status_code == 500
    assert is_problem(answer)
    assert b"secret" not in answer.content
