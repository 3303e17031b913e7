"""Secrets are files for the one that needs them, and are found nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from target import Node, Target, said

# What a node may hold; the database's own superuser has no business in a tier.
NEEDED = {
    "postgres": {"postgres_owner_password", "postgres_password"},
    "http": {"django_secret_key", "jwt_signing_key", "postgres_password"},
    "ws": {"django_secret_key", "jwt_signing_key", "postgres_password"},
    "nginx": set(),
}

# Shorter contents would be found by chance, and would be no secret.
SECRET_LENGTH = 20


@pytest.fixture(scope="module")
def contents(target: Target) -> Mapping[str, str]:
    """Every secret there is by its name, read where it is used."""
    found = {}
    for node in target.nodes():
        for secret in node.secret_files:
            text = node.check("cat %s", secret.path).strip()
            found[f"{node.role}:{secret.path.rsplit('/', 1)[1]}"] = text
    assert found, "no node holds a secret: the search would find nothing by looking for nothing"
    return found


def test_each_is_worth_the_name(contents: Mapping[str, str]) -> None:
    short = [name for name, text in contents.items() if len(text) < SECRET_LENGTH]
    assert not short, short


def test_no_two_are_alike(contents: Mapping[str, str]) -> None:
    names: dict[str, set[str]] = {}
    for name, text in contents.items():
        names.setdefault(text, set()).add(name.split(":")[1])
    assert all(len(shared) == 1 for shared in names.values()), list(names.values())


def test_a_node_holds_only_what_it_needs(node: Node) -> None:
    held = {secret.path.rsplit("/", 1)[1] for secret in node.secret_files}
    assert held <= NEEDED[node.role], held
    # A tier that answers has read all of them: fewer means that they were looked for elsewhere.
    if node.role in ("http", "ws"):
        assert held == NEEDED[node.role], held


def test_nobody_but_its_reader_can_read_one(node: Node) -> None:
    """Mode 0400 or 0440 and owned by the node's user, or by root and read through the group."""
    uid = int(node.declared_user.split(":")[0])
    for secret in node.secret_files:
        assert secret.mode & 0o337 == 0, f"{oct(secret.mode)} {secret.path} in {node}"
        assert secret.uid in (uid, 0), secret


def test_a_node_cannot_change_one(node: Node) -> None:
    for secret in node.secret_files:
        attempt = node.run("test -w %s", secret.path)
        assert attempt.rc != 0, said(attempt)


def test_the_directories_they_come_from_are_closed(target: Target) -> None:
    """Nobody else on the machine gets as far as a file, whoever that file belongs to."""
    directories = target.secret_directories()
    assert directories
    open_ones = {path: oct(mode) for path, mode in directories.items() if mode & 0o077}
    assert not open_ones, open_ones


def test_none_is_in_what_the_supervisor_or_a_process_shows(
    node: Node, contents: Mapping[str, str]
) -> None:
    """Its description, and the environment and arguments of every process in it."""
    for place, text in node.records().items():
        leaked = [name for name, secret in contents.items() if secret in text]
        assert not leaked, f"{place} contains {leaked}"


def test_none_is_in_an_image_or_unit(target: Target, contents: Mapping[str, str]) -> None:
    places = target.places()
    assert places
    for place, text in places.items():
        leaked = [name for name, secret in contents.items() if secret in text]
        assert not leaked, f"{place} contains {leaked}"


def test_none_is_in_a_log(node: Node, contents: Mapping[str, str]) -> None:
    log = node.log()
    leaked = [name for name, secret in contents.items() if secret in log]
    assert not leaked, f"the log of {node} contains {leaked}"
