"""Making an account."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from accounts.serializers import SignUpSerializer
from tests.people import PASSWORD, Person, make_person, nobody

pytestmark = pytest.mark.django_db


def sign_up(**body: Any) -> Any:
    return nobody().post("/auth/users/", body)


def test_the_answer_is_the_account_without_its_password() -> None:
    answer = sign_up(username="dora", password=PASSWORD, email="dora@example.org")
    user = User.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {"id": user.pk, "username": "dora", "email": "dora@example.org"}
    assert user.check_password(PASSWORD)


def test_an_address_is_optional() -> None:
    answer = sign_up(username="dora", password=PASSWORD)
    assert (answer.status_code, answer.json()["email"]) == (201, "")


@pytest.mark.parametrize("nothing", ["", None])
def test_an_address_may_be_nothing(nothing: str | None) -> None:
    answer = sign_up(username="dora", password=PASSWORD, email=nothing)
    assert (answer.status_code, answer.json()["email"]) == (201, "")


def test_of_two_who_want_a_name_at_once_one_gets_it(
    transactional_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are past the look whether it is taken."""
    barrier = Barrier(2)
    create = SignUpSerializer.perform_create

    def both(self: SignUpSerializer, given: Any) -> Any:
        barrier.wait(timeout=10)
        return create(self, given)

    def work(_: int) -> Any:
        try:
            return sign_up(username="dora", password=PASSWORD)
        finally:
            connection.close()

    monkeypatch.setattr(SignUpSerializer, "perform_create", both)
    with ThreadPoolExecutor(2) as pool:
        answers = {answer.status_code: answer.json() for answer in pool.map(work, range(2))}
    assert answers.keys() == {201, 400}
    # As who comes later is told.
    assert answers[400] == sign_up(username="dora", password=PASSWORD).json()
    assert list(answers[400]) == ["username"]


def test_one_may_sign_in_with_the_new_account() -> None:
    sign_up(username="dora", password=PASSWORD)
    answer = nobody().post("/auth/jwt/create/", {"username": "dora", "password": PASSWORD})
    assert answer.status_code == 200


def test_form_data_is_as_good_as_json() -> None:
    form = f"username=dora&password={PASSWORD}"
    answer = nobody().post("/auth/users/", form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 201


def test_a_stale_token_keeps_nobody_from_signing_up() -> None:
    person = Person(None, "stale")
    answer = person.post("/auth/users/", {"username": "dora", "password": PASSWORD})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "taken"),
        ("username", "ｔａｋｅｎ"),  # noqa: RUF001 - the same name, written wide
        ("username", ""),
        ("username", None),
        ("username", 12345),
        ("username", "a b"),
        ("username", "a/b"),
        ("username", "<b>"),
        ("username", "."),
        ("username", ".."),
        ("username", "․."),  # noqa: RUF001 - a one dot leader becomes a dot
        ("username", "a\x00b"),
        ("username", "x" * 151),
        # 18 characters each once normalised.
        ("username", "ﷺ" * 10),
        ("password", "short"),
        ("password", "password"),
        ("password", "8402739164"),
        ("password", "newcomer1"),
        ("password", ""),
        ("password", None),
        ("password", 73629104857),
        ("password", "a\x00" + PASSWORD),
        ("password", "x y z " * 1000),
        ("email", "nonsense"),
        ("email", "a\x00@example.org"),
        ("email", 5),
        ("email", ["a@example.org"]),
        ("email", "x" * 300 + "@example.org"),
    ],
)
def test_bad_input_is_named_by_its_field(field: str, value: Any) -> None:
    make_person("taken")
    good = {"username": "newcomer", "password": PASSWORD, "email": "n@example.org"}
    answer = sign_up(**{**good, field: value})
    assert answer.status_code == 400, answer.content
    assert list(answer.json()) == [field]
    assert all(isinstance(text, str) for text in answer.json()[field])
    assert User.objects.count() == 1


@pytest.mark.parametrize("field", ["username", "password", "email"])
def test_half_a_surrogate_pair_is_bad_input_in_every_field(field: str) -> None:
    body = {"username": "newcomer", "password": PASSWORD, "email": "n@example.org"}
    text = ",".join(
        f'"{k}": "{v}{chr(92)}ud800"' if k == field else f'"{k}": "{v}"' for k, v in body.items()
    )
    answer = nobody().post("/auth/users/", "{" + text + "}")
    assert answer.status_code == 400
    assert list(answer.json()) == [field]


def test_a_name_is_kept_in_normal_form_and_found_in_any() -> None:
    assert sign_up(username="ｄｏｒａ", password=PASSWORD).json()["username"] == "dora"  # noqa: RUF001
    body = {"username": "ｄｏｒａ", "password": PASSWORD}  # noqa: RUF001
    assert nobody().post("/auth/jwt/create/", body).status_code == 200


def test_a_name_that_is_far_too_long_is_not_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes time by the square: thirty thousand marks would hold a process for seconds."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def noting(form: Any, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", noting)
    name = "a" + chr(0x301) * 4_000 + chr(0x316) * 4_000
    assert sign_up(username=name, password=PASSWORD).status_code == 400
    body = {"username": name, "password": PASSWORD}
    assert nobody().post("/auth/jwt/create/", body).status_code in (400, 401)
    assert max(lengths, default=0) <= 1_000


def test_white_space_around_a_password_is_part_of_it() -> None:
    sign_up(username="dora", password=f" {PASSWORD} ")
    body = {"username": "dora", "password": PASSWORD}
    assert nobody().post("/auth/jwt/create/", body).status_code == 401


def test_unknown_fields_make_nobody_staff() -> None:
    sign_up(username="dora", password=PASSWORD, is_staff=True, is_superuser=True, id=1000)
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.pk == 1000) == (False, False, False)


def test_me_is_oneself_with_the_address(alice: Person) -> None:
    User.objects.update(email="alice@example.org")
    answer = alice.get("/auth/users/me/")
    assert answer.json() == {"id": alice.id, "username": "alice", "email": "alice@example.org"}
    assert nobody().get("/auth/users/me/").status_code == 401


def test_nobody_sees_the_address_of_another(alice: Person, bob: Person) -> None:
    User.objects.filter(pk=alice.id).update(email="alice@example.org")
    uri = alice.post("/api/chats/").json()["uri"]
    joined = bob.patch(f"/api/chats/{uri}/", {"username": "bob"})
    alice.post(f"/api/chats/{uri}/messages/", {"message": "hi"})
    answers = [
        joined,
        bob.get("/api/chats/"),
        bob.get(f"/api/chats/{uri}/"),
        bob.get(f"/api/chats/{uri}/messages/"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert b"alice" in answer.content
        assert b"example.org" not in answer.content


def test_there_is_no_list_of_users(alice: Person) -> None:
    assert alice.get("/auth/users/").status_code == 405
    assert alice.get(f"/auth/users/{alice.id}/").status_code == 404
