"""`manage.py new_epoch`: after a restore, tell every client to drop what it holds."""

from typing import Any

from django.core.management.base import BaseCommand

from chat import epoch


class Command(BaseCommand):
    help = "Makes a new epoch: clients drop what they hold and fetch anew. Run it after a restore."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The epoch is now {epoch.renew()}.")
