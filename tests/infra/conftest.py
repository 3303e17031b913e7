"""Which target the suite is run against, and what its tests are given.

Selected by the environment:
  CHATIRE_PROJECT  the Compose project, `chatire` unless told (see containers.py)
  CHATIRE_URL      where users find it, http://localhost:$CHATIRE_PORT (8080) unless told
  CHATIRE_INVENTORY  instead of both: servers, by an inventory of Ansible's (see servers.py)
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chat_client import PASSWORD_BITS, Account, Chat
from containers import Compose
from servers import Servers
from target import ROLES, TIERS, Target, said

# Cheap and telling first; what drives a limit or searches the logs for all that was done, last.
MODULES = [
    "sandbox",
    "postgres",
    "http",
    "ws",
    "nginx",
    "network",
    "secrets",
    "units",
    "hosts",
    "ports",
    "tls",
    "files",
    "backups",
    "delivery",
    "protocol",
    "slow",
    "recovery",
    "scale",
    "limits",
    "logs",
]

TARGET = pytest.StashKey[Target]()

# What only hosts have: units, firewalls, certificates, files that outlive a container.
if not os.environ.get("CHATIRE_INVENTORY"):
    collect_ignore = [
        f"test_{name}.py" for name in ("units", "hosts", "ports", "tls", "files", "backups")
    ]


def pytest_configure(config: pytest.Config) -> None:
    if inventory := os.environ.get("CHATIRE_INVENTORY"):
        config.stash[TARGET] = Servers(inventory)
        return
    port = os.environ.get("CHATIRE_PORT") or "8080"
    config.stash[TARGET] = Compose(
        project=os.environ.get("CHATIRE_PROJECT") or "chatire",
        url=(os.environ.get("CHATIRE_URL") or f"http://localhost:{port}").rstrip("/"),
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say in one line that there is nothing to test, before a page of errors does."""
    target = session.config.stash[TARGET]
    missing = [role for role in ROLES if not target.nodes(role)]
    if missing:
        pytest.exit(
            f"nothing runs as {', '.join(missing)} in {target.place}: `make up` starts it",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `node`, `http`, `ws`, … runs once for each node of that role.

    One that takes `machine` runs once for each host, one that takes `front` for each of nginx's.
    """
    behind = tuple(role for role in ROLES if role != "nginx")
    roles = {"node": ROLES, "tier": TIERS, "behind": behind} | {role: (role,) for role in ROLES}
    for name in roles.keys() & set(metafunc.fixturenames):
        target = metafunc.config.stash[TARGET]
        nodes = [node for role in roles[name] for node in target.nodes(role)]
        metafunc.parametrize(name, nodes, ids=repr)
    for name, role in {"machine": None, "front": "nginx"}.items():
        if name in metafunc.fixturenames:
            servers = metafunc.config.stash[TARGET]
            assert isinstance(servers, Servers)
            metafunc.parametrize(name, servers.machines(role), ids=repr)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return MODULES.index(item.path.stem.removeprefix("test_"))

    items.sort(key=place)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The running chat."""
    return request.config.stash[TARGET]


@pytest.fixture(scope="session")
def servers(target: Target) -> Servers:
    """The same, for tests of what only hosts have."""
    assert isinstance(target, Servers)
    return target


@pytest.fixture(scope="session")
def chat(target: Target) -> Iterator[Chat]:
    """The address that users know, and a stranger's client for it."""
    client = Chat(target.url)
    yield client
    client.close()


@dataclass
class People:
    """The accounts of this run; all of it goes at the end."""

    chat: Chat
    prefix: str

    def newcomer(self, name: str) -> Account:
        password = secrets.token_urlsafe(PASSWORD_BITS)
        return self.chat.sign_up(f"{self.prefix}{name}", password)


@pytest.fixture(scope="session")
def people(target: Target, chat: Chat) -> Iterator[People]:
    """Makes accounts, and takes them and all they did away at the end of the run."""
    made = People(chat, f"smoke-{secrets.token_hex(4)}-")
    yield made
    cleaned = target.manage("smoke_cleanup", "--prefix", made.prefix)
    assert cleaned.rc == 0, said(cleaned)
    left = target.value(f"SELECT count(*) FROM auth_user WHERE username LIKE '{made.prefix}%'")
    assert left == "0", f"{left} accounts {made.prefix}… are left behind{said(cleaned)}"


@pytest.fixture(scope="session")
def alice(people: People) -> Account:
    return people.newcomer("alice")


@pytest.fixture(scope="session")
def bob(people: People) -> Account:
    return people.newcomer("bob")


@pytest.fixture(scope="session")
def stranger(people: People) -> Account:
    """Signed in, and a member of nothing."""
    return people.newcomer("stranger")


@pytest.fixture
def room(alice: Account, bob: Account) -> str:
    """A new chat of alice's with bob in it."""
    uri = alice.create_chat()
    bob.join(uri)
    return uri
