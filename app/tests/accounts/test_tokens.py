"""Signing in, renewing, verifying, and tokens that are none."""

from __future__ import annotations

import base64
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import sessions
from accounts.models import Session
from accounts.tokens import ROTATION_GRACE_SECONDS, SessionAccessToken, read_access
from tests.people import PASSWORD, Person, make_person, nobody, sign_in

pytestmark = pytest.mark.django_db


def create(**body: Any) -> Any:
    return nobody().post("/auth/jwt/create/", body)


def refresh(token: Any) -> Any:
    return nobody().post("/auth/jwt/refresh/", {"refresh": token})


def verify(token: Any) -> int:
    status: int = nobody().post("/auth/jwt/verify/", {"token": token}).status_code
    return status


def me(access: str, prefix: str = "JWT") -> int:
    headers = {"Authorization": f"{prefix} {access}"}
    status: int = nobody().client.get("/auth/users/me/", headers=headers).status_code
    return status


def age_rotations(seconds: float) -> None:
    """Moves every rotation into the past, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE token_blacklist_blacklistedtoken "
            "SET blacklisted_at = blacklisted_at - make_interval(secs => %s)",
            [seconds],
        )


def forged(person: Person, **changes: Any) -> str:
    """An access token of one's own making, with the server's key unless told otherwise."""
    claims = {
        "token_type": "access",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "iat": datetime.now(UTC),
        "jti": uuid.uuid4().hex,
        "user_id": str(person.id),
        "sid": str(person.sid),
    }
    key = changes.pop("key", settings.SIMPLE_JWT["SIGNING_KEY"])
    algorithm = changes.pop("algorithm", "HS256")
    claims |= changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm)


class TestSignIn:
    def test_gives_a_pair_of_tokens(self, alice: Person) -> None:
        answer = create(username="alice", password=PASSWORD)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert me(answer.json()["access"]) == 200
        assert answer.cookies == {}

    @pytest.mark.parametrize(
        "body",
        [
            {"username": "alice", "password": "wrong"},
            {"username": "nobody", "password": PASSWORD},
            {"username": "ALICE", "password": PASSWORD},
        ],
    )
    def test_says_the_same_to_a_wrong_name_and_a_wrong_password(
        self, alice: Person, body: dict[str, str]
    ) -> None:
        answer = create(**body)
        assert answer.status_code == 401
        assert answer.json() == {
            "detail": "No active account found with the given credentials",
            "code": "no_active_account",
        }

    def test_is_refused_to_the_inactive(self, alice: Person) -> None:
        User.objects.update(is_active=False)
        assert create(username="alice", password=PASSWORD).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "[]",
            "{}",
            '{"username": "alice"}',
            '{"username": 5, "password": "x"}',
            '{"username": "a\\u0000", "password": "x"}',
            '{"username": "alice", "password": "\\u0000"}',
            '{"username": "alice", "password": "\\udfff"}',
            '{"username": "\\udfff", "password": "x"}',
            '{"username": "alice", "password": ["x"]}',
            '{"username": "alice", "password": "x", "cookie": "perhaps"}',
            '{"username": "alice", "password": "x", "cookie": {"a": []}}',
            '{"username": "alice", "password": "' + "x" * 2000 + '"}',
        ],
    )
    def test_refuses_bad_input(self, alice: Person, body: str) -> None:
        assert nobody().post("/auth/jwt/create/", body).status_code == 400

    def test_starts_a_session_and_notes_the_time(self, alice: Person) -> None:
        before = Session.objects.count()
        create(username="alice", password=PASSWORD)
        assert Session.objects.count() == before + 1
        user = User.objects.get()
        assert user.last_login is not None

    def test_leaves_no_usable_token_in_the_database(self, alice: Person) -> None:
        create(username="alice", password=PASSWORD)
        assert set(OutstandingToken.objects.values_list("token", flat=True)) == {""}


class TestRefresh:
    def test_rotates_the_token(self, alice: Person) -> None:
        answer = refresh(alice.refresh)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert answer.json()["refresh"] != alice.refresh
        assert me(answer.json()["access"]) == 200
        assert refresh(answer.json()["refresh"]).status_code == 200

    def test_accepts_the_token_just_rotated_away_for_30_seconds_more(self, alice: Person) -> None:
        first = refresh(alice.refresh).json()
        age_rotations(ROTATION_GRACE_SECONDS - 2)
        again = refresh(alice.refresh)
        assert again.status_code == 200
        # Both tabs go on with what they got.
        assert refresh(first["refresh"]).status_code == 200
        assert refresh(again.json()["refresh"]).status_code == 200

    def test_refuses_it_afterwards(self, alice: Person) -> None:
        refresh(alice.refresh)
        age_rotations(ROTATION_GRACE_SECONDS + 1)
        answer = refresh(alice.refresh)
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_not_valid"

    def test_using_it_again_does_not_lengthen_its_grace(self, alice: Person) -> None:
        refresh(alice.refresh)
        age_rotations(20)
        assert refresh(alice.refresh).status_code == 200
        age_rotations(20)
        assert refresh(alice.refresh).status_code == 401

    def test_what_was_forgotten_stays_refused(self, alice: Person) -> None:
        successor = refresh(alice.refresh).json()["refresh"]
        age_rotations(ROTATION_GRACE_SECONDS + 1)
        assert refresh(successor).status_code == 200
        # The renewal has deleted the old token's row.
        assert OutstandingToken.objects.count() == 2
        assert refresh(alice.refresh).status_code == 401

    def test_leaves_a_few_rows_however_often_one_renews(self, alice: Person) -> None:
        token = alice.refresh
        for _ in range(10):
            token = refresh(token).json()["refresh"]
            age_rotations(ROTATION_GRACE_SECONDS + 1)
        assert OutstandingToken.objects.count() <= 3
        assert BlacklistedToken.objects.count() <= 2

    def test_ends_with_the_session(self, alice: Person) -> None:
        sessions.end(alice.id)
        answer = refresh(alice.refresh)
        assert (answer.status_code, answer.json()["code"]) == (401, "session_over")

    def test_ends_with_the_users_activity(self, alice: Person) -> None:
        User.objects.update(is_active=False)
        assert refresh(alice.refresh).status_code == 401

    def test_without_a_token_there_is_nothing_to_say(self, db: Any) -> None:
        for body in ({}, {"refresh": None}):
            answer = nobody().post("/auth/jwt/refresh/", body)
            assert (answer.status_code, answer.content) == (204, b"")

    def test_does_not_take_an_access_token(self, alice: Person) -> None:
        assert refresh(alice.access).status_code == 401

    @pytest.mark.parametrize("token", ["x", "a.b.c", "é", "." * 9000])
    def test_refuses_nonsense(self, db: Any, token: str) -> None:
        assert refresh(token).status_code == 401

    @pytest.mark.parametrize("token", ["", 5, ["x"], {"a": 1}, True, "\x00"])
    def test_what_is_no_text_is_bad_input(self, db: Any, token: Any) -> None:
        assert refresh(token).status_code == 400


class TestVerify:
    def test_says_yes_to_both_kinds(self, alice: Person) -> None:
        assert (verify(alice.access), verify(alice.refresh)) == (200, 200)

    def test_says_no_once_the_session_is_over(self, alice: Person) -> None:
        sessions.end(alice.id)
        assert (verify(alice.access), verify(alice.refresh)) == (401, 401)

    def test_says_no_to_a_token_rotated_away(self, alice: Person) -> None:
        refresh(alice.refresh)
        age_rotations(ROTATION_GRACE_SECONDS + 1)
        assert verify(alice.refresh) == 401

    def test_says_no_to_nonsense_and_refuses_what_is_no_text(self, db: Any) -> None:
        assert verify("x") == 401
        assert verify(5) == 400


class TestAccess:
    @pytest.mark.parametrize("prefix", ["JWT", "Bearer"])
    def test_both_prefixes_are_accepted(self, alice: Person, prefix: str) -> None:
        assert alice.access is not None
        assert me(alice.access, prefix) == 200

    def test_a_token_of_ones_own_making_would_pass_with_the_right_key(self, alice: Person) -> None:
        # So that what follows fails for its own reason.
        assert me(forged(alice)) == 200

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    @pytest.mark.parametrize(
        "changes",
        [
            {"key": "k" * 64},
            {"algorithm": "HS512"},
            {"exp": datetime.now(UTC) - timedelta(seconds=5)},
            {"exp": None},
            {"token_type": "refresh"},
            {"token_type": None},
            {"jti": None},
            {"user_id": None},
            {"user_id": "x"},
            {"user_id": str(10**30)},
            {"user_id": "-1"},
            {"sid": None},
            {"sid": "x"},
            {"sid": 5},
            {"sid": ["a"]},
            {"sid": str(uuid.uuid4())},
        ],
    )
    def test_every_other_token_is_refused(self, alice: Person, changes: dict[str, Any]) -> None:
        token = forged(alice, **changes)
        headers = {"Authorization": f"JWT {token}"}
        answer = nobody().client.get("/auth/users/me/", headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail", "code"}
        assert answer.headers["WWW-Authenticate"]

    def test_alg_none_is_refused(self, alice: Person) -> None:
        assert alice.access is not None
        _, claims, signature = alice.access.split(".")
        for alg in ("none", "None", "NONE", "nOnE"):
            raw = json.dumps({"alg": alg, "typ": "JWT"}).encode()
            header = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
            assert me(f"{header}.{claims}.") == 401
            assert me(f"{header}.{claims}.{signature}") == 401

    def test_another_users_session_is_of_no_use(self, alice: Person, bob: Person) -> None:
        assert me(forged(alice, sid=str(bob.sid))) == 401

    @pytest.mark.parametrize(
        "header",
        [
            "JWT",
            "JWT ",
            "JWT a b",
            "jwt x",
            "Basic YTpi",
            "JWT \xff\xfe",
            "Bearer \x00",
            "",
            "x" * 4000,
        ],
    )
    def test_a_header_that_holds_no_token_signs_nobody_in(self, db: Any, header: str) -> None:
        answer = nobody().client.get("/auth/users/me/", headers={"Authorization": header})
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail", "code"}

    def test_the_signing_key_is_not_the_secret_key(self, settings: Any, alice: Person) -> None:
        settings.SECRET_KEY = "another"
        assert alice.access is not None
        assert me(alice.access) == 200

    def test_ends_at_once_when_the_user_is_deactivated(self, alice: Person) -> None:
        assert alice.access is not None
        user = User.objects.get()
        user.is_active = False
        user.save()
        assert me(alice.access) == 401
        # And stays so when they are let in again: that was another session.
        user.is_active = True
        user.save()
        assert me(alice.access) == 401


def test_sessions_that_are_over_are_forgotten(db: Any) -> None:
    person = make_person("dora")
    assert person.user is not None
    old = sign_in(person.user)
    ended = sign_in(person.user)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_session SET last_used = now() - interval '15 days' WHERE id = %s",
            [old.sid],
        )
        cursor.execute(
            "UPDATE accounts_session SET ended_at = now() - interval '2 days' WHERE id = %s",
            [ended.sid],
        )
    new = sign_in(person.user)
    assert set(Session.objects.values_list("pk", flat=True)) == {person.sid, new.sid}


def test_a_token_that_was_read_before_runs_out_all_the_same(alice: Person) -> None:
    assert alice.access is not None
    token = SessionAccessToken(alice.access)  # type: ignore[arg-type]
    # Two whole seconds from now at least: a token's times are whole seconds.
    token.set_exp(lifetime=timedelta(seconds=3), from_time=datetime.now(UTC))
    raw = str(token)
    claims = read_access(raw)
    assert claims.user_id == alice.id
    time.sleep((claims.expires - datetime.now(UTC)).total_seconds() + 0.01)
    with pytest.raises(TokenError):
        read_access(raw)
