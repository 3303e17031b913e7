"""Who may do what: every call against everyone who could make it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.people import Person, make_chat, make_person, nobody, say

# A call of everyone, with input that is good for a member, and what a member gets.
CALLS: dict[str, tuple[Callable[[Person, str], Any], int]] = {
    "see the chat": (lambda p, uri: p.get(f"/api/chats/{uri}/"), 200),
    "read messages": (lambda p, uri: p.get(f"/api/chats/{uri}/messages/"), 200),
    "post": (lambda p, uri: p.post(f"/api/chats/{uri}/messages/", {"message": "hi"}), 201),
    "mark read": (lambda p, uri: p.post(f"/api/chats/{uri}/read/", {"seq": 1}), 204),
    "add someone": (lambda p, uri: p.patch(f"/api/chats/{uri}/", {"username": "target"}), 200),
}

# The same with input that is bad, which must not be looked at before access is.
BAD_CALLS: dict[str, Callable[[Person, str], Any]] = {
    "read messages": lambda p, uri: p.get(f"/api/chats/{uri}/messages/", limit="many"),
    "post nothing": lambda p, uri: p.post(f"/api/chats/{uri}/messages/", {}),
    "post broken JSON": lambda p, uri: p.post(f"/api/chats/{uri}/messages/", "{"),
    "post XML": lambda p, uri: p.post(
        f"/api/chats/{uri}/messages/", "<a/>", content_type="application/xml"
    ),
    "mark read with broken JSON": lambda p, uri: p.post(f"/api/chats/{uri}/read/", "{"),
}


@pytest.fixture
def uri(alice: Person, bob: Person) -> str:
    make_person("target")
    uri = make_chat(alice, bob)
    say(alice, uri, "hello")
    return uri


@pytest.fixture
def removed(alice: Person, uri: str) -> Person:
    person = make_person("removed")
    person.patch(f"/api/chats/{uri}/", {"username": "removed"})
    # They were in: what they meet later is the removal's doing.
    assert person.get(f"/api/chats/{uri}/").status_code == 200
    assert alice.delete(f"/api/chats/{uri}/members/removed/").status_code == 204
    return person


@pytest.mark.parametrize("name", CALLS)
class TestEveryCall:
    def test_serves_a_member(self, name: str, bob: Person, uri: str) -> None:
        call, expected = CALLS[name]
        assert call(bob, uri).status_code == expected

    def test_refuses_someone_who_was_never_a_member(
        self, name: str, carol: Person, uri: str
    ) -> None:
        answer = CALLS[name][0](carol, uri)
        assert answer.status_code == 403
        assert answer.json()["code"] == "not_a_member"

    def test_refuses_someone_whom_the_owner_removed(
        self, name: str, removed: Person, uri: str
    ) -> None:
        assert CALLS[name][0](removed, uri).status_code == 403

    def test_asks_someone_signed_out_to_sign_in(self, name: str, uri: str) -> None:
        answer = CALLS[name][0](nobody(), uri)
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_authenticated"

    def test_says_so_when_there_is_no_such_chat(self, name: str, bob: Person, uri: str) -> None:
        answer = CALLS[name][0](bob, "AAAAAAAAAAAAAAAAAAAAAA")
        assert answer.status_code == 404
        assert set(answer.json()) == {"detail", "code"}

    def test_tells_someone_signed_out_nothing_about_which_chats_there_are(
        self, name: str, uri: str
    ) -> None:
        assert CALLS[name][0](nobody(), "AAAAAAAAAAAAAAAAAAAAAA").status_code == 401


@pytest.mark.parametrize("name", BAD_CALLS)
class TestBadInput:
    def test_is_refused_to_a_member(self, name: str, bob: Person, uri: str) -> None:
        assert BAD_CALLS[name](bob, uri).status_code in (400, 415)

    def test_gives_way_to_403(self, name: str, carol: Person, removed: Person, uri: str) -> None:
        assert BAD_CALLS[name](carol, uri).status_code == 403
        assert BAD_CALLS[name](removed, uri).status_code == 403

    def test_gives_way_to_404(self, name: str, bob: Person, uri: str) -> None:
        assert BAD_CALLS[name](bob, "nowhere").status_code == 404

    def test_gives_way_to_401(self, name: str, uri: str) -> None:
        assert BAD_CALLS[name](nobody(), "nowhere").status_code == 401


def test_what_no_chat_can_be_called_is_no_such_chat(alice: Person) -> None:
    for name in ("a" * 65, "a.b", "a b", "%00", "%F0%9F%92%A9", "a'--"):
        assert alice.get(f"/api/chats/{name}/").status_code == 404, name
        assert nobody().get(f"/api/chats/{name}/").status_code == 401, name


def test_a_chat_has_an_unguessable_name(alice: Person) -> None:
    names = {make_chat(alice) for _ in range(20)}
    assert len(names) == 20
    # 22 characters of 64: 128 random bits.
    assert {len(name) for name in names} == {22}
