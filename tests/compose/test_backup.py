"""`make backup` and `make restore`: under traffic, and clients that start over by themselves."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from scripts import REPOSITORY, Run, command, containers, docker

# The client of the contract is the stack's suite's.
sys.path.append(str(REPOSITORY / "tests/infra"))

from chat_client import PASSWORD_BITS, Account, Chat

Sql = Callable[[str], str]

# Between two posts: a page of history holds 200.
PAUSE = 0.05


@pytest.fixture
def sql(project: str) -> Iterator[Sql]:
    """Runs a statement as the operator would; the database kept by a restore goes at the end."""
    (postgres,) = containers(project, "postgres")

    def run(statement: str) -> str:
        return docker("exec", postgres, "psql", "-Atc", statement)

    yield run
    run("DROP DATABASE IF EXISTS chatire_before WITH (FORCE)")


@pytest.fixture
def people(project: str) -> Iterator[tuple[Account, Account]]:
    """Two accounts, gone at the end with all they did."""
    chat = Chat(f"http://localhost:{os.environ['CHATIRE_PORT']}")
    prefix = f"smoke-{secrets.token_hex(4)}-"
    yield (
        chat.sign_up(f"{prefix}alice", secrets.token_urlsafe(PASSWORD_BITS)),
        chat.sign_up(f"{prefix}bob", secrets.token_urlsafe(PASSWORD_BITS)),
    )
    chat.close()
    http = containers(project, "http")[0]
    docker("exec", http, "role", "manage", "smoke_cleanup", "--prefix", prefix)


@pytest.fixture
def room(people: tuple[Account, Account]) -> str:
    alice, bob = people
    uri = alice.create_chat()
    bob.join(uri)
    return uri


def restore(**variables: str) -> Run:
    return command("restore", CONFIRM="yes", **variables)


def seqs(account: Account, room: str) -> list[int]:
    return [message["seq"] for message in account.history(room, limit=200)]


def test_a_restore_brings_back_what_was_and_clients_start_over(
    tmp_path: Path, sql: Sql, people: tuple[Account, Account], room: str
) -> None:
    alice, bob = people
    before = [alice.post(room, f"before {number}")["seq"] for number in range(3)]
    file = tmp_path / "kept.dump"
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(command, "backup", FILE=str(file))
        during = []
        while not done.done():
            during.append(alice.post(room, "during")["seq"])
            wait([done], timeout=PAUSE)
        done.result().succeeded()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.with_name("kept.dump.unfinished").exists()
    last = during[-1]
    with bob.listening(room, after=0) as socket:
        epoch = socket.of("ready")[0]["epoch"]
        assert [frame["seq"] for frame in socket.of("message")] == [*before, *during]
        restore(FILE=str(file)).succeeded()
        # Nobody is left on the history that is gone.
        assert socket.closed() == 1012

    restored = seqs(alice, room)
    # One moment's state: no gap, all that was there before, nothing of what came after.
    assert restored == list(range(1, len(restored) + 1))
    assert before[-1] <= restored[-1] <= last
    with bob.listening(room, after=last, epoch=epoch) as socket:
        (reset,) = socket.of("reset")
        assert reset["seq"] == restored[-1]
        assert reset["epoch"] != epoch
        following = alice.post(room, "in the new history")["seq"]
        assert following == restored[-1] + 1
        socket.until("message", seq=following)

        # What was replaced is kept, and taking it back is another history again.
        command("restore", CONFIRM="yes", UNDO="yes").succeeded()
        assert socket.closed() == 1012
    assert seqs(alice, room) == [*before, *during]
    with bob.listening(room, after=restored[-1], epoch=reset["epoch"]) as socket:
        assert socket.of("reset")[0]["epoch"] not in (epoch, reset["epoch"])


def test_a_backup_of_a_newer_release_is_refused_and_changes_nothing(
    tmp_path: Path, sql: Sql, people: tuple[Account, Account], room: str
) -> None:
    alice, _ = people
    file = tmp_path / "newer.dump"
    sql("INSERT INTO django_migrations VALUES (999999, 'chat', '9999_later', now())")
    try:
        command("backup", FILE=str(file)).succeeded()
    finally:
        sql("DELETE FROM django_migrations WHERE id = 999999")
    alice.post(room, "after the backup")
    restore(FILE=str(file)).refused("newer release", "chat.9999_later")
    assert seqs(alice, room) == [1]


def test_a_backup_that_was_cut_off_is_refused_and_changes_nothing(
    tmp_path: Path, people: tuple[Account, Account], room: str
) -> None:
    alice, _ = people
    whole = tmp_path / "whole.dump"
    command("backup", FILE=str(whole)).succeeded()
    alice.post(room, "after the backup")
    content = whole.read_bytes()
    cut = tmp_path / "cut.dump"
    for length in (10, len(content) // 2, len(content) - 100):
        cut.write_bytes(content[:length])
        restore(FILE=str(cut)).refused("backup")
        assert seqs(alice, room) == [1]


def test_what_is_not_said_clearly_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no backup")
    restore().refused("FILE")
    restore(FILE=str(tmp_path / "missing")).refused("cannot be read")
    restore(FILE=str(file)).refused("no whole backup")
    restore(FILE=str(file), UNDO="yes").refused("both")
    restore(UNDO="yes").refused("no restore to undo")
    command("backup", FILE=str(file)).refused("exists")
    assert file.read_text() == "no backup"


def test_a_restore_does_nothing_unasked(
    tmp_path: Path, people: tuple[Account, Account], room: str
) -> None:
    alice, _ = people
    file = tmp_path / "kept.dump"
    command("backup", FILE=str(file)).succeeded()
    alice.post(room, "after the backup")
    command("restore", FILE=str(file), CONFIRM=None).refused("nobody is there to ask")
    assert seqs(alice, room) == [1]
