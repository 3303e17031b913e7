"""A host for the database, two for each tier and two for nginx."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import accidents
from certificates import pair
from conftest import Figure
from lab import ANSIBLE, RECONNECT_SECONDS, Host, Lab, expect_clean, must

GROUPS = {
    "postgresql": ["db1.test"],
    "http": ["http1.test", "http2.test"],
    "ws": ["ws1.test", "ws2.test"],
    "nginx": ["nginx1.test", "nginx2.test"],
}
# What a stranger finds open; SSH is the operator's.
PUBLIC = {"postgresql": {22}, "http": {22}, "ws": {22}, "nginx": {22, 80, 443}}

# Others than the defaults.
PORTS = {"chatire_http_port_base": "8300", "chatire_ws_port_base": "8400"}


@dataclass
class Split:
    lab: Lab
    hosts: dict[str, Host]
    inventory: Path
    bundle: Path

    def releases(self) -> dict[str, str]:
        """Which release each host has in use; the database's has none."""
        return {
            name: host.shell("basename $(readlink /opt/chatire/current)").output.strip()
            for name, host in self.hosts.items()
            if name not in GROUPS["postgresql"]
        }


def described(lab: Lab, **variables: object) -> Path:
    """The inventory, with a certificate that both nginx hosts have."""
    certificate, key = pair(lab.folder, "split", *GROUPS["nginx"])
    return lab.inventory(
        "split",
        GROUPS,
        chatire_server_name="nginx1.test",
        chatire_extra_names=["nginx2.test"],
        nginx_tls="files",
        nginx_certificate_file=str(certificate),
        nginx_key_file=str(key),
        **variables,
    )


@pytest.fixture(scope="module")
def split(lab: Lab, bundle: Path) -> Iterator[Split]:
    hosts = {name: Host(lab, name, "trixie") for names in GROUPS.values() for name in names}
    yield Split(lab, hosts, described(lab), bundle)
    for host in hosts.values():
        host.remove()


# Slow, for a single host of test_single.py has them as well.
@pytest.mark.slow
def test_an_unreachable_host_is_named_before_anything_is_changed(split: Split) -> None:
    accidents.unreachable(split.lab, split.hosts["ws2.test"], split.inventory, split.bundle)


@pytest.mark.slow
def test_a_full_disk_is_told_and_stops_everybody(split: Split) -> None:
    ran = accidents.full_disk(split.lab, split.hosts["ws2.test"], split.inventory, split.bundle)
    assert "TASK [ws : " not in ran.output, "the tiers were begun without their release"


@pytest.mark.slow
def test_an_ssh_connection_lost_half_way_is_told(split: Split) -> None:
    accidents.lost_ssh(split.lab, split.hosts["ws1.test"], split.inventory, split.bundle)


def test_each_nginx_host_does_not_get_a_certificate_of_its_own(split: Split) -> None:
    ran = split.lab.play(
        "site.yml", split.inventory, chatire_bundle=split.bundle, nginx_tls="self-signed"
    )
    assert ran.status != 0
    said = " ".join(ran.output.split())
    assert "the group 'nginx' has 2 hosts, of which each would have" in said, ran.output
    assert ran.changed == 0, ran.output


# Bare, or what the accidents above left half done.
def test_bare_hosts_become_a_chat(split: Split, figure: Figure) -> None:
    ran = split.lab.play("site.yml", split.inventory, chatire_bundle=split.bundle)
    assert ran.status == 0, ran.output
    figure("first run, or its rest", ran.seconds)


def test_the_second_run_changes_nothing(split: Split, figure: Figure) -> None:
    ran = split.lab.play("site.yml", split.inventory, chatire_bundle=split.bundle)
    assert ran.status == 0, ran.output
    assert ran.changed == 0, ran.output
    figure("second run", ran.seconds)


def test_the_tiers_move_to_other_ports(split: Split) -> None:
    """What listened at the old ones is gone, and they are in the inventory from now on."""
    split.inventory = described(split.lab, **PORTS)
    ran = split.lab.play("site.yml", split.inventory, chatire_bundle=split.bundle)
    assert ran.status == 0, ran.output
    listening = "ss --listening --tcp --numeric --no-header | grep -o ':8[0-9]*' | sort -u"
    assert split.hosts["http2.test"].shell(listening).output.split() == [":8301", ":8302"]
    assert split.hosts["ws2.test"].shell(listening).output.split() == [":8401", ":8402"]


def test_a_certificate_that_nginx_never_got_is_handed_over_by_the_next_run(split: Split) -> None:
    """The first run had put it in place when it was cut off."""
    split.inventory = described(split.lab, **PORTS)
    given = Path(json.loads(split.inventory.read_text())["all"]["vars"]["nginx_certificate_file"])
    host = split.hosts["nginx2.test"]
    at = "TASK [nginx : Ensure the access log"
    with host.without_ssh() as hang_up:
        ran = split.lab.interrupted(
            "site.yml", split.inventory, at, hang_up, "--tags=nginx", chatire_bundle=split.bundle
        )
    assert ran.status != 0
    assert host.shell("cat /etc/chatire/tls/site.pem").output == given.read_text()
    assert ssl.get_server_certificate(("nginx2.test", 443)) != given.read_text()
    ran = split.lab.play("site.yml", split.inventory, "--tags=nginx", chatire_bundle=split.bundle)
    assert ran.status == 0, ran.output
    for name in GROUPS["nginx"]:
        assert ssl.get_server_certificate((name, 443)) == given.read_text()


def test_one_host_is_the_way_to_another(split: Split) -> None:
    """For an operator who reaches the others through the one that is public only."""
    asked = ["ansible", "-i", str(split.inventory), "db1.test", "-m", "ansible.builtin.ping"]
    hop = f"ssh -W %h:%p -i {split.lab.key} -o StrictHostKeyChecking=accept-new"
    hop += f" -o UserKnownHostsFile={split.inventory.parent}/known_hosts debian@nginx1.test"
    through = f'-o ControlPath=none -o ProxyCommand="{hop}"'
    said = must([*asked, f"--ssh-extra-args={through}"], environment=ANSIBLE)
    assert "pong" in said


def test_a_tier_needs_no_name_server(split: Split) -> None:
    host = split.hosts["ws1.test"]
    before = host.shell("cat /etc/resolv.conf").output
    # Of the lab, and serves no names.
    nobody = "nameserver $(getent hosts nginx1.test | cut -d ' ' -f 1)"
    try:
        restarted = host.shell(
            f'echo "{nobody}" > /etc/resolv.conf && ! getent hosts db1.test'
            " && systemctl restart chatire-ws@1"
        )
    finally:
        host.shell(f"printf '%s' '{before}' > /etc/resolv.conf")
    assert restarted.status == 0, restarted.output + host.shell("journalctl -u chatire-ws@1").output


def test_the_suite_finds_nothing_wrong(split: Split) -> None:
    ran = split.lab.smoke(split.inventory, split.hosts["nginx1.test"])
    assert ran.status == 0, ran.output


# The suite's own scan is made from the controller, too; this one knows nothing of the inventory.
@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_stranger_finds_only_what_is_public(split: Split, group: str) -> None:
    """Scanned from the controller, which is none of anybody's callers."""
    for name in GROUPS[group]:
        found = must(["nmap", "-Pn", "-n", "-p", "1-9000", "--open", "-oG", "-", name], seconds=120)
        assert {int(port) for port in re.findall(r"(\d+)/open", found)} == PUBLIC[group], found


@pytest.mark.parametrize("name", GROUPS["nginx"])
def test_messages_arrive_through_each_nginx(split: Split, name: str) -> None:
    with split.lab.traffic(f"https://{name}", split.hosts[name]) as traffic:
        pass
    expect_clean(traffic.count)


def test_the_tiers_speak_to_postgresql_over_tls(split: Split) -> None:
    asked = split.hosts["db1.test"].sql(
        "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
        " WHERE a.client_addr IS NOT NULL"
    )
    assert asked == "t"


def test_a_release_that_fails_on_a_later_host_stops_there(
    split: Split, releases: dict[str, Path]
) -> None:
    """The first has it, the one that failed is back, nobody after it was touched or noticed."""
    before = split.releases()
    host = split.hosts["ws2.test"]
    folder = "/run/systemd/system/chatire-ws@.service.d"
    refuse = 'ExecStartPre=/bin/sh -c "! readlink /opt/chatire/current | grep -qx releases/9.1"'
    host.shell(
        f"mkdir -p {folder} && printf '[Service]\n%s\n' '{refuse}' > {folder}/fault.conf"
        " && systemctl daemon-reload"
    )
    try:
        with split.lab.traffic("https://nginx1.test", split.hosts["nginx1.test"]) as traffic:
            ran = split.lab.play("deploy.yml", split.inventory, chatire_bundle=releases["good"])
    finally:
        host.shell(f"rm -r {folder} && systemctl daemon-reload")
    assert ran.status != 0
    assert f"and is back on {before['ws2.test']}" in ran.output, ran.output
    assert split.releases() == {**before, "ws1.test": "9.1"}
    expect_clean(traffic.count)


# What is left to do of it.
def test_a_new_release_comes_under_traffic(
    split: Split, releases: dict[str, Path], figure: Figure
) -> None:
    with split.lab.traffic("https://nginx1.test", split.hosts["nginx1.test"]) as traffic:
        ran = split.lab.play("deploy.yml", split.inventory, chatire_bundle=releases["good"])
    assert ran.status == 0, ran.output
    assert traffic.count.away["count"], "the ws tier was not restarted at all"
    expect_clean(traffic.count)
    figure("deploy", ran.seconds)
    figure("deploy: readers away, p95", traffic.count.away["p95"], RECONNECT_SECONDS)


def test_a_rollback_goes_back_under_traffic(split: Split, figure: Figure) -> None:
    with split.lab.traffic("https://nginx2.test", split.hosts["nginx2.test"]) as traffic:
        ran = split.lab.play("rollback.yml", split.inventory, chatire_bundle=split.bundle)
    assert ran.status == 0, ran.output
    assert "9.1" not in split.releases().values()
    expect_clean(traffic.count)
    figure("rollback: readers away, p95", traffic.count.away["p95"], RECONNECT_SECONDS)


def test_every_host_comes_back_from_a_reboot(split: Split) -> None:
    # The database first, under the others' feet, and then everybody.
    split.hosts["db1.test"].reboot()
    for name, host in split.hosts.items():
        if name != "db1.test":
            host.reboot()
    with split.lab.traffic("https://nginx2.test", split.hosts["nginx2.test"]) as traffic:
        pass
    expect_clean(traffic.count)
    failed = {
        name: units
        for name, host in split.hosts.items()
        if (units := host.shell("systemctl --failed --no-legend").output.strip())
    }
    assert not failed
