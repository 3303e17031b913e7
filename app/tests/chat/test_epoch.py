"""The epoch: stays while the history does, changes when it is another."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from chat import epoch
from chat.models import History
from realtime.conninfo import connection_params
from realtime.ticks import STANDINGS_SQL
from tests.people import Person, make_chat


def test_the_epoch_is_stable_and_served_with_the_chat(alice: Person) -> None:
    now = epoch.current()
    assert re.fullmatch("[0-9a-f]{32}", now)
    uri = make_chat(alice)
    assert alice.get(f"/api/chats/{uri}/").json()["epoch"] == now == epoch.current()


def test_new_epoch_changes_it(db: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = epoch.current()
    call_command("new_epoch")
    assert epoch.current() != before
    assert epoch.current() in capsys.readouterr().out
    assert History.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_ws_tier_sees_the_same() -> None:
    with psycopg.connect(**connection_params("test"), autocommit=True) as db:
        for chats in ([], [0]):
            rows = db.execute(STANDINGS_SQL, {"chats": chats}).fetchall()
            assert rows == [(epoch.current(), None, None, None)]


@pytest.mark.django_db(transaction=True)
def test_a_role_that_owns_nothing_can_ask_for_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS app_epoch_reader")
        cursor.execute("CREATE ROLE app_epoch_reader")
        try:
            cursor.execute("GRANT SELECT ON chat_history TO app_epoch_reader")
            cursor.execute("SET ROLE app_epoch_reader")
            assert re.fullmatch("[0-9a-f]{32}", epoch.current())
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY app_epoch_reader")
            cursor.execute("DROP ROLE app_epoch_reader")
