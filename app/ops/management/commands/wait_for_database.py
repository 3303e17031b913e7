"""`manage.py wait_for_database`: return as soon as the database takes connections."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = "Waits until the database takes connections; fails after --seconds."
    # Nothing else is of interest yet.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=60.0, help="how long at most (60)")

    def handle(self, *args: Any, seconds: float, **options: Any) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection.ensure_connection()
            except OperationalError as error:
                if time.monotonic() + POLL_SECONDS > deadline:
                    where = f"{connection.settings_dict['HOST']}:{connection.settings_dict['PORT']}"
                    raise CommandError(
                        f"The database at {where} took no connection within {seconds:g} s "
                        f"({str(error).splitlines()[0]}). Is it running, and is the password right?"
                    ) from error
                time.sleep(POLL_SECONDS)
            else:
                connection.close()
                return
