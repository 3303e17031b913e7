"""Secrets are made once, for one reader each, and never replaced while the database needs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import Run, docker, steps

USERS = {"http": 10011, "ws": 10012, "migrate": 10013, "postgres": 10010}
# A project that has no volume, so that everything may be made anew.
FRESH = "chatire-no-such-project"


def make_secrets(folder: Path, project: str = FRESH) -> Run:
    return steps(
        "read_settings; ensure_secrets", CHATIRE_SECRETS_DIR=str(folder), CHATIRE_PROJECT=project
    )


def contents(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, owner and text of each secret by reader/name, as root in a container sees them."""
    script = (
        "cd /folder && find . -type f | while read -r f; do"
        ' echo "$f $(stat -c "%a %u" "$f") $(cat "$f")"; done'
    )
    listing = docker(
        "run", "--rm", "--user=0:0", "--network=none", f"--volume={folder}:/folder:ro",
        "chatire/base:trixie", "bash", "-c", script,
    )  # fmt: skip
    found = {}
    for line in listing.splitlines():
        path, mode, owner, text = line.split(" ", 3)
        found[path.removeprefix("./")] = (int(mode, 8), int(owner), text)
    return found


def remove(folder: Path, *names: str) -> None:
    docker(
        "run", "--rm", "--user=0:0", "--network=none", f"--volume={folder}:/folder",
        "--workdir=/folder", "chatire/base:trixie", "rm", "-f", *names,
    )  # fmt: skip


def test_each_reader_has_files_of_its_own(engine_folder: Path) -> None:
    make_secrets(engine_folder).succeeded()
    assert engine_folder.stat().st_mode & 0o777 == 0o700
    found = contents(engine_folder)
    assert len(found) == 11
    for path, (mode, owner, text) in found.items():
        assert mode == 0o400, path
        assert owner == USERS[path.split("/")[0]], path
        assert len(text) == 64, path


def test_a_password_is_the_same_where_it_is_checked_and_where_it_is_used(
    engine_folder: Path,
) -> None:
    make_secrets(engine_folder).succeeded()
    texts = {path: text for path, (_, _, text) in contents(engine_folder).items()}
    assert texts["http/postgres_password"] == texts["postgres/postgres_password"]
    assert texts["ws/postgres_password"] == texts["postgres/postgres_password"]
    assert texts["migrate/postgres_password"] == texts["postgres/postgres_owner_password"]
    assert len(set(texts.values())) == 4


def test_a_second_run_changes_nothing(engine_folder: Path) -> None:
    make_secrets(engine_folder).succeeded()
    before = contents(engine_folder)
    make_secrets(engine_folder).succeeded()
    assert contents(engine_folder) == before


def test_half_made_secrets_are_finished(engine_folder: Path) -> None:
    make_secrets(engine_folder).succeeded()
    before = contents(engine_folder)
    lost = ["ws/jwt_signing_key", "http/postgres_password", "postgres/postgres_password"]
    remove(engine_folder, *lost)
    assert len(contents(engine_folder)) == len(before) - len(lost)
    make_secrets(engine_folder).succeeded()
    assert contents(engine_folder) == before


def test_a_secret_whose_writing_was_cut_off_is_made_whole(engine_folder: Path) -> None:
    (engine_folder / "http").mkdir()
    (engine_folder / "http/jwt_signing_key").touch()
    (engine_folder / "http/jwt_signing_key.new").write_text("half")
    make_secrets(engine_folder).succeeded()
    found = contents(engine_folder)
    assert len(found["http/jwt_signing_key"][2]) == 64
    assert "http/jwt_signing_key.new" not in found


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (["migrate/postgres_password", "postgres/postgres_owner_password"], "owner_password"),
        (
            ["http/postgres_password", "ws/postgres_password", "postgres/postgres_password"],
            "postgres_password",
        ),
    ],
)
def test_a_password_that_the_database_has_is_not_replaced(
    engine_folder: Path, project: str, lost: list[str], named: str
) -> None:
    """The tests' own stack has a database; its secrets are elsewhere, these are made up."""
    make_secrets(engine_folder).succeeded()
    remove(engine_folder, *lost)
    run = make_secrets(engine_folder, project)
    run.refused("the database exists", named, "make destroy")
    assert not contents(engine_folder).keys() & set(lost)


def test_secrets_show_up_in_no_output(engine_folder: Path) -> None:
    run = make_secrets(engine_folder).succeeded()
    for path, (_, _, text) in contents(engine_folder).items():
        assert text not in run.output + run.errors, path
