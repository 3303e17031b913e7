"""Migrates, and makes the user and the rooms that a run needs."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")

import django

django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command

from chat.models import ChatSession

# Users first, for the chat's own tables, which have no migrations, point at them.
call_command("migrate", verbosity=0)
call_command("migrate", run_syncdb=True, verbosity=0)
if not User.objects.exists():
    User.objects.create_user("alice", password="no-secret")
for number in range(100):
    ChatSession.objects.get_or_create(uri=f"room-{number}")
