"""What a restore has to bring back, asked of a host with everything on it."""

from __future__ import annotations

import secrets
from contextlib import closing

from chat_client import PASSWORD_BITS, Chat

from single import Single

FOLDER = "/var/backups/chatire"


def files(single: Single) -> list[str]:
    """The backups on the host, oldest first."""
    return single.host.shell(f"find {FOLDER} -type f | sort").output.split()


def restored_and_undone(single: Single) -> None:
    """Clients are told to start over, twice; nothing that was there before is missing."""
    with closing(Chat(single.url)) as chat:
        _restored_and_undone(single, chat)


def _restored_and_undone(single: Single, chat: Chat) -> None:
    prefix = f"smoke-{secrets.token_hex(4)}-"
    alice, bob = (
        chat.sign_up(f"{prefix}{name}", secrets.token_urlsafe(PASSWORD_BITS))
        for name in ("alice", "bob")
    )
    room = alice.create_chat()
    bob.join(room)
    before = [alice.post(room, f"before {number}")["seq"] for number in range(3)]
    ran = single.lab.play("backup.yml", single.inventory)
    assert ran.status == 0, ran.output
    (file,) = files(single)
    assert f"{file} on {single.host.name}" in ran.output
    assert single.host.shell(f"stat --format='%a %U' {file}").output.split() == ["600", "postgres"]
    after = alice.post(room, "after the backup")["seq"]

    with bob.listening(room, after=0) as socket:
        epoch = socket.of("ready")[0]["epoch"]
        ran = single.lab.play("restore.yml", single.inventory, restore_file=file)
        assert ran.status == 0, ran.output
        assert socket.closed() == 1012
    assert [message["seq"] for message in alice.history(room)] == before
    with bob.listening(room, after=after, epoch=epoch) as socket:
        (reset,) = socket.of("reset")
        assert reset["epoch"] != epoch
        socket.until("message", seq=alice.post(room, "in the new history")["seq"])
        ran = single.lab.play("restore.yml", single.inventory, restore_undo=True)
        assert ran.status == 0, ran.output
        assert socket.closed() == 1012
    assert [message["seq"] for message in alice.history(room)] == [*before, after]
    single.host.shell(f"chatire-manage smoke_cleanup --prefix {prefix}")
    assert single.host.shell("runuser -u postgres -- dropdb chatire_before").status == 0


def refused(single: Single) -> None:
    """What is no backup, or not said clearly; and a disk without room for one."""
    said: dict[str, dict[str, object]] = {
        "Say which backup": {},
        "/nowhere.dump is no whole backup of a chat": {"restore_file": "/nowhere.dump"},
        "There is no restore to undo": {"restore_undo": True},
    }
    for told, variables in said.items():
        ran = single.lab.play("restore.yml", single.inventory, **variables)
        assert ran.status != 0
        assert told in " ".join(ran.output.split()), ran.output
        assert ran.changed == 0, ran.output
    with single.host.full(FOLDER):
        ran = single.lab.play("backup.yml", single.inventory)
    assert ran.status != 0
    assert "make room there, or keep fewer" in " ".join(ran.output.split()), ran.output
    single.host.shell("systemctl reset-failed chatire-backup.service")
