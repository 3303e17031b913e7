"""How sessions end: signing out, a new password, deactivation, deletion."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels_postgres.models import GroupChannel, Message
from django.contrib.auth.models import User

from accounts.models import Session
from tests.people import PASSWORD, Person, make_person, nobody, sign_in

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another horse battery"


@pytest.fixture
def other(alice: Person) -> Person:
    """Alice on another device."""
    assert alice.user is not None
    return sign_in(alice.user)


@pytest.fixture
def worker(db: Any) -> None:
    """A ws worker's place in the group that is told about sessions."""
    GroupChannel.objects.create(
        group_key=get_channel_layer()._group_key("workers"), channel="asgi.test!worker"
    )


def events() -> list[dict[str, Any]]:
    """What the ws workers were told."""
    rows = Message.objects.filter(channel="asgi.test!worker").order_by("id")
    return [get_channel_layer().deserialize(bytes(row.message)) for row in rows]


def signed_in(person: Person) -> bool:
    status = person.get("/auth/users/me/").status_code
    assert status in (200, 401)
    renewed = person.post("/auth/jwt/refresh/", {"refresh": person.refresh}).status_code
    assert (renewed == 200) == (status == 200)
    return bool(status == 200)


def logout(person: Person, **body: Any) -> Any:
    return nobody().post("/auth/logout/", body)


class TestSigningOut:
    def test_ends_this_session_and_no_other(self, alice: Person, other: Person) -> None:
        assert logout(alice, refresh=alice.refresh).status_code == 204
        assert (signed_in(alice), signed_in(other)) == (False, True)

    def test_everywhere_ends_all_of_ones_own(
        self, alice: Person, other: Person, bob: Person
    ) -> None:
        assert logout(alice, refresh=alice.refresh, everywhere=True).status_code == 204
        assert (signed_in(alice), signed_in(other), signed_in(bob)) == (False, False, True)

    def test_tells_the_workers_which_sockets_to_close(self, alice: Person, worker: None) -> None:
        logout(alice, refresh=alice.refresh)
        assert events() == [{"type": "session.ended", "sids": [str(alice.sid)]}]

    def test_works_with_the_access_token_alone(self, alice: Person, other: Person) -> None:
        assert alice.post("/auth/logout/").status_code == 204
        assert (signed_in(alice), signed_in(other)) == (False, True)
        assert other.post("/auth/logout/", {"everywhere": True}).status_code == 204
        assert not signed_in(other)

    def test_twice_is_as_good_as_once(self, alice: Person, worker: None) -> None:
        for _ in range(2):
            assert logout(alice, refresh=alice.refresh).status_code == 204
        assert len(events()) == 1

    def test_works_with_a_token_rotated_away_meanwhile(self, alice: Person) -> None:
        successor = nobody().post("/auth/jwt/refresh/", {"refresh": alice.refresh}).json()
        assert logout(alice, refresh=alice.refresh).status_code == 204
        renewed = nobody().post("/auth/jwt/refresh/", {"refresh": successor["refresh"]})
        assert renewed.status_code == 401

    def test_an_old_token_ends_no_more_than_its_own_session(
        self, alice: Person, other: Person
    ) -> None:
        logout(alice, refresh=alice.refresh)
        assert logout(alice, refresh=alice.refresh, everywhere=True).status_code == 204
        assert signed_in(other)

    def test_nothing_given_is_nothing_to_end(self, alice: Person) -> None:
        assert logout(alice).status_code == 204
        assert signed_in(alice)

    def test_a_bad_token_is_refused(self, alice: Person) -> None:
        assert logout(alice, refresh="nonsense").status_code == 401
        assert logout(alice, refresh=alice.access).status_code == 401
        assert logout(alice, refresh=5).status_code == 400
        stale = Person(None, "stale")
        assert stale.post("/auth/logout/").status_code == 401


class TestNewPassword:
    def change(self, person: Person, **body: Any) -> Any:
        good = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        return person.post("/auth/users/set_password/", {**good, **body})

    def test_ends_all_sessions_but_the_one_that_set_it(
        self, alice: Person, other: Person, worker: None
    ) -> None:
        assert self.change(alice).status_code == 204
        assert (signed_in(alice), signed_in(other)) == (True, False)
        assert events() == [{"type": "session.ended", "sids": [str(other.sid)]}]
        body = {"username": "alice", "password": NEW_PASSWORD}
        assert nobody().post("/auth/jwt/create/", body).status_code == 200

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("current_password", "wrong"),
            ("current_password", None),
            ("current_password", "\x00"),
            ("new_password", "short"),
            ("new_password", "alice1234"),
            ("new_password", 12345678901),
            ("new_password", "x\x00" * 10),
        ],
    )
    def test_is_refused_by_field_and_nothing_changes(
        self, alice: Person, other: Person, field: str, value: Any
    ) -> None:
        answer = self.change(alice, **{field: value})
        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert signed_in(other)
        assert User.objects.get().check_password(PASSWORD)

    def test_is_for_the_signed_in(self, db: Any) -> None:
        assert self.change(nobody()).status_code == 401

    def test_set_by_an_admin_ends_all_sessions(self, alice: Person, other: Person) -> None:
        user = User.objects.get()
        user.set_password(NEW_PASSWORD)
        user.save()
        assert (signed_in(alice), signed_in(other)) == (False, False)

    def test_a_stronger_hash_of_the_same_password_ends_none(
        self, alice: Person, settings: Any
    ) -> None:
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.ScryptPasswordHasher",
            *settings.PASSWORD_HASHERS,
        ]
        body = {"username": "alice", "password": PASSWORD}
        assert nobody().post("/auth/jwt/create/", body).status_code == 200
        assert User.objects.get().password.startswith("scrypt$")
        assert signed_in(alice)

    def test_an_unrelated_change_ends_none(self, alice: Person) -> None:
        user = User.objects.get()
        user.first_name = "Alice"
        user.save()
        assert signed_in(alice)


def test_deactivation_tells_the_workers(alice: Person, worker: None) -> None:
    user = User.objects.get()
    user.is_active = False
    user.save()
    assert events() == [{"type": "session.ended", "sids": [str(alice.sid)]}]
    assert not signed_in(alice)


def test_deletion_tells_the_workers(alice: Person, worker: None) -> None:
    User.objects.all().delete()
    assert events() == [{"type": "session.ended", "sids": [str(alice.sid)]}]
    assert not signed_in(alice)


def test_an_event_never_outgrows_a_notification(alice: Person, worker: None) -> None:
    Session.objects.bulk_create(Session(user=alice.user) for _ in range(250))
    logout(alice, refresh=alice.refresh, everywhere=True)
    told = events()
    assert sum(len(event["sids"]) for event in told) == 251
    assert max(len(event["sids"]) for event in told) <= 100


def test_a_sign_in_cannot_slip_in_behind_a_new_password(db: Any) -> None:
    from accounts import sessions

    person = make_person("dora")
    stale = User.objects.get()
    changed = User.objects.get()
    changed.set_password(NEW_PASSWORD)
    changed.save()
    # As if `stale` had been checked a moment before the change.
    assert sessions.start(stale) is None
    assert not signed_in(person)
