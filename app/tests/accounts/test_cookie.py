"""The refresh token as a cookie."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from tests.people import PASSWORD, Person, nobody

pytestmark = pytest.mark.django_db

COOKIE = settings.REFRESH_COOKIE_NAME
OWN = "http://localhost:8080"
FOREIGN = [
    "https://evil.example",
    "null",
    "http://localhost:9999",
    "https://localhost:8080",
    "http://localhost:8080.evil.example",
    "http://localhost:8080/path",
    "http://[",
    "",
]


def create(person: Person, **body: Any) -> Any:
    good = {"username": "alice", "password": PASSWORD, "cookie": True}
    return person.post("/auth/jwt/create/", {**good, **body})


@pytest.fixture
def browser(alice: Person) -> Person:
    """Alice's browser: holds the cookie, and no token of hers."""
    person = nobody()
    assert create(person).status_code == 200
    return person


def test_the_token_is_where_no_script_can_read_it(alice: Person) -> None:
    answer = create(nobody())
    assert set(answer.json()) == {"access"}
    cookie = answer.cookies[COOKIE]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/auth/"
    assert cookie["max-age"] == 14 * 24 * 3600
    assert cookie["secure"] == ""
    assert cookie["domain"] == ""


def test_it_is_secure_where_there_is_tls(alice: Person, settings: Any) -> None:
    settings.REFRESH_COOKIE_SECURE = True
    assert create(nobody()).cookies[COOKIE]["secure"] is True


@pytest.mark.parametrize("word", ["true", "on", "1"])
def test_it_may_be_asked_for_in_a_form(alice: Person, word: str) -> None:
    form = f"username=alice&password={PASSWORD}&cookie={word}"
    answer = nobody().post(
        "/auth/jwt/create/", form, content_type="application/x-www-form-urlencoded"
    )
    assert COOKIE in answer.cookies
    assert "refresh" not in answer.json()


def test_it_is_renewed_the_way_it_came(browser: Person) -> None:
    before = browser.client.cookies[COOKIE].value
    answer = browser.post("/auth/jwt/refresh/")
    assert answer.status_code == 200
    assert set(answer.json()) == {"access"}
    assert answer.cookies[COOKIE].value not in ("", before)
    assert answer.cookies[COOKIE]["httponly"] is True
    assert browser.post("/auth/jwt/refresh/").status_code == 200


def test_a_token_in_the_body_goes_before_the_cookie(browser: Person, alice: Person) -> None:
    answer = browser.post("/auth/jwt/refresh/", {"refresh": alice.refresh})
    assert set(answer.json()) == {"access", "refresh"}
    assert COOKIE not in answer.cookies


def test_a_bad_cookie_is_401_and_none_is_204(db: Any) -> None:
    person = nobody()
    assert person.post("/auth/jwt/refresh/").status_code == 204
    person.client.cookies[COOKIE] = "nonsense"
    assert person.post("/auth/jwt/refresh/").status_code == 401


def test_signing_out_removes_it_and_ends_its_session(browser: Person) -> None:
    access = browser.post("/auth/jwt/refresh/").json()["access"]
    answer = browser.post("/auth/logout/")
    assert answer.status_code == 204
    gone = answer.cookies[COOKIE]
    assert (gone.value, gone["max-age"], gone["path"]) == ("", 0, "/auth/")
    assert Person(None, access).get("/auth/users/me/").status_code == 401


@pytest.mark.parametrize("origin", FOREIGN)
class TestAForeignPage:
    def test_cannot_use_it(self, browser: Person, origin: str) -> None:
        before = browser.client.cookies[COOKIE].value
        for path in ("/auth/jwt/refresh/", "/auth/logout/"):
            answer = browser.post(path, headers={"Origin": origin})
            assert answer.status_code == 403
            assert answer.json()["code"] == "foreign_origin"
        assert browser.client.cookies[COOKIE].value == before
        assert browser.post("/auth/jwt/refresh/").status_code == 200

    def test_cannot_sign_its_visitor_in_as_somebody_else(self, alice: Person, origin: str) -> None:
        form = f"username=alice&password={PASSWORD}&cookie=true"
        answer = nobody().post(
            "/auth/jwt/create/",
            form,
            content_type="application/x-www-form-urlencoded",
            headers={"Origin": origin},
        )
        assert answer.status_code == 403
        assert COOKIE not in answer.cookies

    def test_may_sign_in_without_it(self, alice: Person, origin: str) -> None:
        # CORS decides whether it may read the answer.
        person = nobody()
        body = {"username": "alice", "password": PASSWORD}
        answer = person.post("/auth/jwt/create/", body, headers={"Origin": origin})
        assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": OWN}, {"Origin": "http://testserver"}, {}])
def test_the_own_page_may_use_it(browser: Person, headers: dict[str, str]) -> None:
    assert browser.post("/auth/jwt/refresh/", headers=headers).status_code == 200


def test_the_cookie_signs_nobody_in_by_itself(browser: Person) -> None:
    assert browser.get("/auth/users/me/").status_code == 401
    assert browser.get("/api/chats/").status_code == 401
