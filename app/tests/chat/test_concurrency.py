"""Many at once: `seq` has no gap, no double, and rises with time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from chat import actions, roster
from chat.drafts import Draft
from chat.models import Chat, Membership, Message, Removal
from chat.permissions import Forbidden
from tests.people import Person, make_chat, make_person

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")

THREADS = 12


def together(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Runs `work(0)`, `work(1)`, … at the same time, each on a connection of its own."""
    barrier = Barrier(threads)

    def run(number: int) -> T:
        connection.ensure_connection()
        barrier.wait(timeout=10)
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def test_concurrent_posts_are_numbered_without_gap_or_double(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    each = 15
    people = [alice.user, bob.user]

    def talk(number: int) -> None:
        user = people[number % 2]
        assert user is not None
        for turn in range(each):
            actions.post_message(uri, user, Draft(f"{number}/{turn}", uuid.uuid4()))

    together(talk)
    rows = list(Message.objects.order_by("seq").values_list("seq", "create_date"))
    assert [seq for seq, _ in rows] == list(range(1, THREADS * each + 1))
    assert [date for _, date in rows] == sorted(date for _, date in rows)
    assert Chat.objects.get().last_seq == THREADS * each


def test_concurrent_repeats_store_one_message_and_use_up_one_seq(alice: Person) -> None:
    uri = make_chat(alice)
    assert alice.user is not None
    user = alice.user
    rounds = 10
    for turn in range(1, rounds + 1):
        draft = Draft("again and again", uuid.uuid4())
        post = partial(actions.post_message, uri, user, draft)
        posted = together(lambda _, post=post: post(), 8)  # type: ignore[misc]
        assert sum(one.created for one in posted) == 1
        assert {one.row.seq for one in posted} == {turn}
    assert Message.objects.count() == rounds
    assert Chat.objects.get().last_seq == rounds


def test_joining_and_being_removed_at_once_ends_in_one_of_the_two(
    alice: Person, bob: Person
) -> None:
    uri = make_chat(alice, bob)
    assert alice.user is not None
    assert bob.user is not None
    owner, member = alice.user, bob.user

    def work(number: int) -> None:
        try:
            if number % 2:
                roster.add_member(uri, member, member)
            else:
                roster.remove_member(uri, owner, member)
        except Forbidden:
            pass

    together(work, 6)
    members = Membership.objects.filter(user=member).count()
    removals = Removal.objects.filter(user=member).count()
    # Once removed, nobody but a member could have let them in again.
    assert (members, removals) == (0, 1)


def test_joining_twice_at_once_is_joining_once(alice: Person) -> None:
    uri = make_chat(alice)
    person = make_person("twice")
    assert person.user is not None
    user = person.user
    together(lambda _: roster.add_member(uri, user, user), 6)
    assert Membership.objects.filter(user=user).count() == 1


def test_reading_on_at_once_ends_at_the_farthest(alice: Person, bob: Person) -> None:
    uri = make_chat(alice, bob)
    assert alice.user is not None
    assert bob.user is not None
    for _ in range(8):
        actions.post_message(uri, alice.user, Draft("x", None))
    chat_id, reader = Chat.objects.get().pk, bob.user
    together(lambda number: actions.mark_read(chat_id, reader, number + 1), 8)
    assert Membership.objects.get(user=reader).read_seq == 8
