"""Which servers an inventory means, and how SSH reaches them."""

from __future__ import annotations

from typing import Any

import pytest

from engine import EngineError
from inventory import understand


def listed(hosts: dict[str, dict[str, Any]], **groups: list[str]) -> dict[str, Any]:
    """As `ansible-inventory --list` prints it."""
    return {"_meta": {"hostvars": hosts}, **{name: {"hosts": on} for name, on in groups.items()}}


def test_a_host_without_groups_is_for_everything() -> None:
    found = understand(listed({"chat.test": {"chatire_server_name": "{{ groups['nginx'][0] }}"}}))
    (host,) = found.hosts
    assert set(host.services) == {"postgres", "http", "ws", "nginx"}
    assert found.url == "https://chat.test"
    assert found.database == "chatire"


def test_the_host_that_clients_go_through_comes_first() -> None:
    found = understand(
        listed(
            {"a": {}, "b": {}, "n1": {"chatire_server_name": "n2"}, "n2": {}, "other": {}},
            postgresql=["a"],
            http=["b"],
            ws=["b"],
            nginx=["n1", "n2"],
        )
    )
    assert [host.name for host in found.hosts] == ["n2", "n1", "a", "b"]
    assert found.hosts[3].services == ("http", "ws")
    assert found.url == "https://n2"


def test_a_service_without_a_host_is_named() -> None:
    with pytest.raises(EngineError, match="no host in ws, nginx"):
        understand(listed({"a": {}}, postgresql=["a"], http=["a"]))


def test_ssh_is_told_what_the_inventory_says() -> None:
    variables = {
        "ansible_host": "192.0.2.1",
        "ansible_port": 2222,
        "ansible_user": "debian",
        "ansible_ssh_private_key_file": "/keys/it",
        "ansible_ssh_common_args": "-o 'ProxyCommand=nc a b'",
    }
    (host,) = understand(listed({"chat.test": variables})).hosts
    words = host.command("/sockets", ["psql", "-c", "SELECT 'it is'"])
    assert words[0] == "ssh"
    assert (
        words[-11:]
        == [
            *("-o", "ControlPath=/sockets/%C", "-p", "2222", "-l", "debian", "-i", "/keys/it"),
            *("-o", "ProxyCommand=nc a b"),
            "192.0.2.1",
            """cd / && exec sudo -n psql -c 'SELECT '"'"'it is'"'"''""",
        ][-11:]
    )
