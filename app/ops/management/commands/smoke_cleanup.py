"""`manage.py smoke_cleanup --prefix smoke-`: remove the users and chats that a test made."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from chat import roster
from chat.models import Chat, Membership, Message

# A short prefix would take real people along.
MIN_PREFIX_LENGTH = 5


class Command(BaseCommand):
    help = "Deletes the users whose name begins with --prefix, and the chats they own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prefix", required=True)

    def handle(self, *args: Any, prefix: str, **options: Any) -> None:
        if len(prefix) < MIN_PREFIX_LENGTH:
            raise CommandError(
                f"--prefix {prefix!r} is too short; expected {MIN_PREFIX_LENGTH} characters."
            )
        users = User.objects.filter(username__startswith=prefix)
        staff = users.filter(is_staff=True).values_list("username", flat=True)
        if staff:
            raise CommandError(f"These are staff, not test users: {', '.join(staff)}.")
        with transaction.atomic():
            chats = list(Chat.objects.filter(owner__in=users).values_list("pk", flat=True))
            roster.delete_chats(chats)
            for membership in Membership.objects.filter(user__in=users).select_related(
                "chat", "user"
            ):
                roster.remove_member(membership.chat.uri, membership.user, membership.user)
            # Their messages in other people's chats stay, for those have no gap, and so do they.
            speakers = set(
                Message.objects.filter(author__in=users).values_list("author", flat=True)
            )
            leaving = users.exclude(pk__in=speakers)
            OutstandingToken.objects.filter(user__in=leaving).delete()
            _, gone = leaving.delete()
        self.stdout.write(f"{gone.get('auth.User', 0)} users and {len(chats)} chats deleted.")
        if speakers:
            raise CommandError(f"{len(speakers)} users wrote in chats of others and were kept.")
