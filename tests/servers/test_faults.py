"""The faults of `make chaos` on a host that the playbook provisioned, over real SSH."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ledger.beside import PYTHON

from conftest import Figure
from lab import ANSIBLE, REPOSITORY, Host, Lab, Ran, run, wait_until

pytestmark = pytest.mark.slow

CHAOS = REPOSITORY / "tests" / "faults" / "chaos.py"
# Little, for the host and those who count share a machine.
TRAFFIC = ("--clients=20", "--rate=20")
# Half a minute each, and some a minute and a half.
CHAOS_SECONDS = 3600
AT_LEAST = 15
# In the ledger's words (ledger/verdict.py).
WRONG = {"lost", "unseen", "doubled", "disorder", "gaps", "leaked", "refused", "unanswered"}


@dataclass
class Broken:
    """One host for everything, whose parts are killed."""

    lab: Lab
    host: Host
    inventory: Path

    def chaos(self, *options: str) -> Ran:
        """What `make chaos INVENTORY=…` runs; what it says appears as it goes."""
        ran = run(
            [PYTHON, str(CHAOS), f"--inventory={self.inventory}", *options],
            seconds=CHAOS_SECONDS,
            environment={**ANSIBLE, **self.lab.trust(self.host), "PYTHONUNBUFFERED": "1"},
        )
        sys.stdout.write(ran.output)
        return ran


@pytest.fixture(scope="module")
def broken(lab: Lab, bundle: Path) -> Iterator[Broken]:
    host = Host(lab, "faults.test", "trixie")
    inventory = lab.inventory(host.name, {"all": [host.name]})
    ran = lab.play("site.yml", inventory, chatire_bundle=bundle)
    assert ran.status == 0, ran.output
    yield Broken(lab, host, inventory)
    host.remove()


def test_a_fault_that_is_for_containers_is_refused_with_the_reason(broken: Broken) -> None:
    ran = broken.chaos("--fault=latency")
    assert ran.status == 2
    assert "latency is left out on servers: breaks the network of a container" in ran.output


def test_a_fault_that_risks_data_is_not_harmless(broken: Broken) -> None:
    ran = broken.chaos("--harmless", "--fault=postgres-kill")
    assert ran.status == 2
    assert "postgres-kill would risk the data" in ran.output


def test_every_fault_for_servers_heals_without_a_person(
    broken: Broken, tmp_path: Path, figure: Figure
) -> None:
    file = tmp_path / "chaos.json"
    ran = broken.chaos(*TRAFFIC, f"--json={file}")
    assert ran.status == 0, ran.output
    found: list[Mapping[str, Any]] = json.loads(file.read_text())["scenarios"]
    assert len(found) >= AT_LEAST
    for each in found:
        ledger = each["ledger"]
        assert each["held"], each
        assert ledger["truth"] == "database", each["name"]
        assert ledger["acked"], each["name"]
        assert not {kind: n for kind in WRONG if (n := ledger["violations"][kind])}, each["name"]
    figure(f"{len(found)} faults on one host", ran.seconds)


def test_an_nginx_that_is_killed_again_and_again_comes_back(broken: Broken) -> None:
    """More often than systemd tries by itself (five times in ten seconds)."""
    runs = "systemctl show -p NRestarts --value nginx"
    before = int(broken.host.shell(runs).output)
    for time in range(1, 9):
        broken.host.shell("systemctl kill --signal=KILL nginx")
        wait_until(
            lambda more=time: int(broken.host.shell(runs).output) >= before + more,
            f"nginx is started anew, time {time}",
            10,
        )
    up = "systemctl is-active --quiet nginx"
    wait_until(lambda: broken.host.shell(up).status == 0, "nginx runs", 10)


def test_nothing_of_it_is_left(broken: Broken) -> None:
    assert broken.host.sql("SELECT count(*) FROM auth_user WHERE username LIKE 'smoke-%'") == "0"
    assert broken.host.sql("SELECT count(*) FROM chat_chat") == "0"
    assert broken.host.shell("systemctl --failed --no-legend").output.strip() == ""
    # The agent, which ends with the connection.
    assert broken.host.shell("pgrep -f 'exec[(]sys.stdin'").output.strip() == ""
