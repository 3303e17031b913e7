"""Who may read and change the files on the hosts that secrets and code lie in."""

from __future__ import annotations

import pytest

from servers import Machine, Servers

# The role whose hosts have them, the files, their owner, and the widest mode that they need.
FILES = [
    ("http", "/etc/chatire/*.env", "root", 0o600),
    ("ws", "/etc/chatire/*.env", "root", 0o600),
    ("http", "/etc/chatire/secrets/http/*", "chatire-http", 0o400),
    ("http", "/etc/chatire/secrets/migrate/*", "chatire-migrate", 0o400),
    ("ws", "/etc/chatire/secrets/ws/*", "chatire-ws", 0o400),
    ("nginx", "/etc/chatire/tls/site.key", "www-data", 0o400),
    ("nginx", "/var/log/chatire/*.log", "www-data", 0o640),
    ("postgres", "/etc/postgresql/*/main/pg_hba.conf", "postgres", 0o640),
    ("postgres", "/var/lib/postgresql/chatire.key", "postgres", 0o600),
    ("postgres", "/var/log/postgresql/*.log", "postgres", 0o640),
    ("postgres", "/var/backups/chatire", "postgres", 0o700),
]


@pytest.mark.parametrize(
    ("role", "files", "owner", "widest"),
    FILES,
    ids=[f"{role}:{files}" for role, files, *_ in FILES],
)
def test_no_more_users_read_it_than_need_to(
    servers: Servers, role: str, files: str, owner: str, widest: int
) -> None:
    for machine in servers.machines(role):
        listed = machine.check(f"stat -c '%U %a %n' -- {files}").splitlines()
        wrong = [
            line for line in listed if line.split()[0] != owner or int(line.split()[1], 8) & ~widest
        ]
        assert not wrong, f"{machine}: {wrong}"


def test_code_and_settings_are_changed_by_root_only(machine: Machine) -> None:
    """What runs with secrets cannot be replaced by what runs; the secrets' owners cannot either."""
    folders = f"{machine.variables['chatire_root']} /etc/chatire /usr/local/lib/chatire"
    folders += " /usr/local/sbin"
    units = "/etc/systemd/system"
    found = machine.check(
        f"for folder in {folders} {units}; do [ ! -d $folder ] ||"
        " find $folder ! -type l '(' ! -user root -perm /200 -o -perm /022 ')'; done"
    )
    assert found == ""
