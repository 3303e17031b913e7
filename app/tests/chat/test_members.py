"""Joining, adding, leaving and removing."""

from __future__ import annotations

from typing import Any

import pytest

from chat.models import Membership, Removal
from tests.people import Person, make_chat, make_person, nobody, say


def names(answer: Any) -> list[str]:
    return [member["username"] for member in answer.json()["members"]]


def add(person: Person, uri: str, username: Any) -> Any:
    return person.patch(f"/api/chats/{uri}/", {"username": username})


def remove(person: Person, uri: str, username: str) -> Any:
    return person.delete(f"/api/chats/{uri}/members/{username}/")


def test_whoever_knows_the_link_joins(alice: Person, bob: Person) -> None:
    uri = make_chat(alice)
    answer = add(bob, uri, "bob")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "SUCCESS",
        "members": [
            {"id": alice.id, "username": "alice", "first_name": "", "last_name": ""},
            {"id": bob.id, "username": "bob", "first_name": "", "last_name": ""},
        ],
        "message": "bob joined the chat",
        "user": {"id": bob.id, "username": "bob", "first_name": "", "last_name": ""},
    }


def test_a_member_adds_someone_who_then_is_the_user_of_the_answer(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice, bob)
    answer = add(bob, uri, "carol")
    assert answer.json()["user"]["username"] == "carol"
    assert answer.json()["message"] == "carol joined the chat"


def test_the_owner_comes_first_then_who_joined_first(db: Any) -> None:
    early, owner, late = make_person("zoe"), make_person("olga"), make_person("adam")
    uri = make_chat(owner, early, late)
    assert names(late.get(f"/api/chats/{uri}/")) == ["olga", "zoe", "adam"]
    assert late.get(f"/api/chats/{uri}/").json()["owner"]["username"] == "olga"


def test_a_stranger_may_not_name_someone_else_not_even_a_member(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice, bob)
    assert add(carol, uri, "bob").status_code == 403
    assert add(carol, uri, "alice").status_code == 403


def test_joining_again_changes_nothing(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    before = Membership.objects.get(user=bob.user)
    say(alice, uri, "one")
    assert names(add(bob, uri, "bob")) == ["alice", "bob"]
    after = Membership.objects.get(user=bob.user)
    assert (after.pk, after.read_seq, after.create_date) == (
        before.pk,
        before.read_seq,
        before.create_date,
    )


def test_adding_is_refused_in_the_order_of_the_protocol(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice)
    assert add(nobody(), uri, "nobody-at-all").status_code == 401
    assert add(alice, "nowhere", "nobody-at-all").status_code == 404
    assert add(carol, uri, "nobody-at-all").status_code == 404
    assert add(carol, uri, "bob").status_code == 403
    assert alice.patch(f"/api/chats/{uri}/", {}).status_code == 400


@pytest.mark.parametrize(
    "value", [None, "", "   ", 5, True, ["bob"], {"a": 1}, "a\x00b", "x" * 151]
)
def test_a_name_that_is_none_is_bad_input(alice: Person, value: object) -> None:
    uri = make_chat(alice)
    answer = add(alice, uri, value)
    assert answer.status_code == 400
    assert list(answer.json()) == ["username"]


def test_half_a_surrogate_pair_is_bad_input(alice: Person) -> None:
    uri = make_chat(alice)
    answer = alice.patch(f"/api/chats/{uri}/", '{"username": "\\ud800"}')
    assert answer.status_code == 400


def test_a_name_is_found_in_whatever_form_it_is_written(alice: Person) -> None:
    uri = make_chat(alice)
    make_person("Ålesund")
    decomposed = "Ålesund"
    assert add(alice, uri, decomposed).status_code == 200
    assert remove(alice, uri, decomposed).status_code == 204


def test_one_leaves_and_comes_back_by_the_link(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    assert remove(bob, uri, "bob").status_code == 204
    assert bob.get(f"/api/chats/{uri}/").status_code == 403
    assert add(bob, uri, "bob").status_code == 200


def test_whom_the_owner_removed_does_not_come_back_by_the_link(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice, bob, carol)
    assert remove(alice, uri, "bob").status_code == 204
    answer = add(bob, uri, "bob")
    assert answer.status_code == 403
    assert answer.json()["code"] == "removed"
    # Nor by bad input: what is wrong with it is nothing to them.
    assert bob.patch(f"/api/chats/{uri}/", "{").status_code == 403


def test_a_member_lets_somebody_removed_in_again_and_then_the_link_works_too(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice, bob, carol)
    remove(alice, uri, "bob")
    assert Removal.objects.count() == 1
    assert add(carol, uri, "bob").status_code == 200
    assert Removal.objects.count() == 0
    assert remove(bob, uri, "bob").status_code == 204
    assert add(bob, uri, "bob").status_code == 200


def test_only_the_owner_removes_others(alice: Person, bob: Person, carol: Person) -> None:
    uri = make_chat(alice, bob, carol)
    assert remove(bob, uri, "carol").status_code == 403
    assert carol.get(f"/api/chats/{uri}/").status_code == 200


def test_the_owner_stays(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    assert remove(bob, uri, "alice").status_code == 403
    assert remove(alice, uri, "alice").status_code == 403
    assert alice.get(f"/api/chats/{uri}/").status_code == 200


def test_removing_is_refused_in_the_order_of_the_protocol(
    alice: Person, bob: Person, carol: Person
) -> None:
    uri = make_chat(alice, bob)
    assert remove(nobody(), uri, "bob").status_code == 401
    assert remove(alice, "nowhere", "bob").status_code == 404
    assert remove(carol, uri, "nobody-at-all").status_code == 404
    assert remove(carol, uri, "bob").status_code == 403
    assert remove(alice, uri, "carol").status_code == 404


@pytest.mark.parametrize("name", ["user.name+tag@example.org", "100_percent", "日本語", "a-b"])
def test_every_allowed_name_works_in_an_address(alice: Person, name: str) -> None:
    person = make_person(name)
    uri = make_chat(alice, person)
    assert remove(alice, uri, name).status_code == 204


@pytest.mark.parametrize("name", ["%00", "%FF", "%ED%A0%80", "a%20b", "'; --", "x" * 5000])
def test_a_name_that_nobody_can_have_is_no_such_user(alice: Person, name: str) -> None:
    assert remove(alice, make_chat(alice), name).status_code == 404


def test_what_was_said_before_one_joined_is_history_not_unread(alice: Person, bob: Person) -> None:
    uri = make_chat(alice)
    say(alice, uri, "one", "two")
    add(bob, uri, "bob")
    (entry,) = bob.get("/api/chats/").json()["results"]
    assert (entry["last_seq"], entry["unread"]) == (2, 0)
    assert len(bob.get(f"/api/chats/{uri}/messages/").json()["messages"]) == 2
