"""The management commands."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import Session
from chat.models import Chat, Membership, Message
from tests.people import Person, make_chat, make_person, say

pytestmark = pytest.mark.django_db


class TestSmokeCleanup:
    def test_removes_the_users_of_the_prefix_and_their_chats_and_nothing_else(
        self, alice: Person, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one, two = make_person("smoke-1"), make_person("smoke-2")
        say(two, make_chat(one, two), "hi")
        other = make_chat(alice, one)
        say(alice, other, "mine")
        call_command("smoke_cleanup", prefix="smoke-")
        assert capsys.readouterr().out == "2 users and 1 chats deleted.\n"
        assert list(User.objects.values_list("username", flat=True)) == ["alice"]
        assert list(Chat.objects.values_list("uri", flat=True)) == [other]
        assert Membership.objects.get().user == alice.user
        assert Message.objects.get().text == "mine"
        assert OutstandingToken.objects.count() == 1

    def test_keeps_whoever_wrote_in_a_chat_of_others_and_says_so(self, alice: Person) -> None:
        guest = make_person("smoke-guest")
        uri = make_chat(alice, guest)
        say(guest, uri, "hello")
        with pytest.raises(CommandError, match="1 users wrote"):
            call_command("smoke_cleanup", prefix="smoke-")
        assert User.objects.filter(username="smoke-guest").exists()
        assert [m["seq"] for m in alice.get(f"/api/chats/{uri}/messages/").json()["messages"]] == [
            1
        ]

    def test_a_short_prefix_is_refused(self, alice: Person) -> None:
        with pytest.raises(CommandError, match="too short"):
            call_command("smoke_cleanup", prefix="al")
        assert User.objects.count() == 1

    def test_staff_are_never_removed(self) -> None:
        User.objects.create_user("smoke-boss", is_staff=True)
        with pytest.raises(CommandError, match="smoke-boss"):
            call_command("smoke_cleanup", prefix="smoke-")
        assert User.objects.count() == 1

    def test_the_prefix_is_text_and_no_pattern(self) -> None:
        make_person("smokeX1")
        call_command("smoke_cleanup", prefix="smoke_")
        assert User.objects.count() == 1


def test_flush_expired_removes_what_is_over(
    alice: Person, bob: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_session SET last_used = now() - interval '15 days' WHERE id = %s",
            [alice.sid],
        )
        cursor.execute(
            "UPDATE token_blacklist_outstandingtoken SET expires_at = now() - interval '1 day' "
            "WHERE user_id = %s",
            [alice.id],
        )
    call_command("flush_expired")
    assert capsys.readouterr().out == "1 tokens and 1 sessions deleted.\n"
    assert Session.objects.get().user == bob.user
    assert OutstandingToken.objects.get().user == bob.user
