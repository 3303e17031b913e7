"""The database's host makes a backup each night, unless the inventory has none kept."""

from __future__ import annotations

import pytest

from servers import Machine, Servers


@pytest.fixture
def database(servers: Servers) -> Machine:
    machine = servers.machines("postgres")[0]
    if str(machine.variables.get("postgresql_backups_kept", "")) == "0":
        pytest.skip("postgresql_backups_kept is 0")
    return machine


def test_a_backup_is_made_each_night(database: Machine) -> None:
    for question in ("is-active", "is-enabled"):
        database.check(f"systemctl {question} chatire-backup.timer")
    told = database.check(
        "systemctl show --property=NextElapseUSecRealtime --value chatire-backup.timer"
    )
    assert told.strip(), "the timer has no time to come"


def test_the_last_one_was_written(database: Machine) -> None:
    """Or none has been made yet: a host is new."""
    told = database.check("systemctl show --property=Result --value chatire-backup.service")
    assert told.strip() == "success"


def test_postgresql_keeps_its_shared_memory_when_one_ends(database: Machine) -> None:
    """It has PostgreSQL's user, whose memory systemd would remove as the unit's own."""
    told = database.check("systemctl show --property=RemoveIPC --value chatire-backup.service")
    assert told.strip() == "no"
