"""`manage.py flush_expired`: delete tokens and sessions that are over.

Each user's are deleted when they sign in or renew; this is for those who never come back.
"""

from typing import Any

from django.core.management.base import BaseCommand

from accounts import sessions, tokens


class Command(BaseCommand):
    help = "Deletes expired tokens and sessions, also of users who never come back."

    def handle(self, *args: Any, **options: Any) -> None:
        gone = tokens.forget_tokens()
        self.stdout.write(f"{gone} tokens and {sessions.forget()} sessions deleted.")
