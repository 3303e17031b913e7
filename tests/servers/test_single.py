"""Everything on one host: from bare to a new release and back, over real SSH."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import accidents
from conftest import Figure, on_one_release
from lab import RECONNECT_SECONDS, Host, Lab, expect_clean

# On a quiet machine; told at the end of a run, and not held to in a test: this one may be busy.
BARE_SECONDS, AGAIN_SECONDS = 240, 60
# Read by the fixture below.
on_bookworm = pytest.mark.parametrize("single", ["bookworm"], indirect=True)


@dataclass
class Single:
    """One host for everything, and the release it was provisioned with."""

    lab: Lab
    host: Host
    inventory: Path
    bundle: Path

    @property
    def url(self) -> str:
        return f"https://{self.host.name}"

    def current(self) -> str:
        return self.host.shell("basename $(readlink /opt/chatire/current)").output.strip()


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def single(request: pytest.FixtureRequest, lab: Lab, bundle: Path) -> Iterator[Single]:
    host = Host(lab, f"chat-{request.param}.test", request.param)
    # The smallest inventory: a host and no group; and a limit that has no variable of its own.
    inventory = lab.inventory(
        host.name, {"all": [host.name]}, chatire_settings={"CHATIRE_WS_FRAMES_PER_SECOND": 150}
    )
    yield Single(lab, host, inventory, bundle)
    host.remove()


# By what is wrong: what is set, and what is told of it.
WRONG: dict[str, tuple[dict[str, object], list[str]]] = {
    "processes": (
        {"chatire_ws_processes": "many"},
        ["chatire_ws_processes is 'many'; expected a number from 1 to 9."],
    ),
    "names": (
        {"chatire_extra_names": "www.example.org"},
        ['chatire_extra_names is "www.example.org"; expected a list of further host names.'],
    ),
    "releases": (
        {"chatire_kept_releases": 0},
        ["chatire_kept_releases is '0'; expected a number from 1 to 99."],
    ),
    "unknown-limit": (
        {"chatire_settings": {"CHATIRE_WS_FRAMES": 1}},
        ['chatire_settings is {"CHATIRE_WS_FRAMES": 1}; expected'],
    ),
    "numbers": (
        {
            "chatire_access_minutes": "ten",
            "chatire_refresh_days": 367,
            "chatire_http_workers": 65,
            "chatire_http_threads": 0,
            "chatire_ws_max_sockets": 0,
            "chatire_drain_seconds": 3601,
            "chatire_log_level": "LOUD",
            "chatire_settings": {"CHATIRE_WS_DEAF_SECONDS": 5},
        },
        [
            "chatire_access_minutes is 'ten'; expected a whole number from 1 to 1440",
            "chatire_refresh_days is '367'; expected a whole number from 1 to 366",
            "chatire_http_workers is '65'; expected a whole number from 1 to 64",
            "chatire_http_threads is '0'; expected a whole number from 1 to 256",
            "chatire_ws_max_sockets is '0'; expected a whole number from 1 to 1000000",
            "CHATIRE_WS_DEAF_SECONDS is '5'; expected a whole number from 10 to 3600",
            "chatire_drain_seconds is '3601'; expected a whole number from 0 to 3600",
            "chatire_log_level is 'LOUD'; expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ],
    ),
    "certificate": (
        {"nginx_tls": "letsencrypt"},
        ["nginx_tls is 'letsencrypt'; expected one of self-signed, files, acme."],
    ),
    "no-files": (
        {"nginx_tls": "files"},
        ["but nginx_certificate_file or nginx_key_file is not set"],
    ),
    "missing-files": (
        {
            "nginx_tls": "files",
            "nginx_certificate_file": "/etc/hostname",
            "nginx_key_file": "/nowhere.key",
        },
        ["nginx_key_file names /nowhere.key, which is no file on the controller"],
    ),
    "missing-ca": (
        {"nginx_tls": "acme", "nginx_acme_ca_file": "/nowhere.pem"},
        ["nginx_acme_ca_file names /nowhere.pem, which is no file on the controller"],
    ),
    "directory": (
        {"nginx_tls": "acme", "nginx_acme_directory": "ca.example.org"},
        ["nginx_acme_directory is 'ca.example.org'; expected an address"],
    ),
    # 2 · 4 · 9 for http, 2 · 7 for ws, and 20.
    "connections": (
        {"chatire_http_workers": 4, "postgresql_max_connections": 100},
        ["may open 106 connections, PostgreSQL takes 100: raise postgresql_max_connections"],
    ),
    # Ansible's own words, by the role's argument spec.
    "kind": ({"http_ready_seconds": "soon"}, ["http_ready_seconds", "unable to convert to int"]),
}


@on_one_release
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_variable_stops_before_anything_is_changed(single: Single, wrong: str) -> None:
    variables, told = WRONG[wrong]
    ran = single.lab.play(
        "site.yml", single.inventory, **{"chatire_bundle": single.bundle, **variables}
    )
    assert ran.status != 0
    # As one line, for Ansible folds and quotes.
    said = " ".join(ran.output.replace("\\", "").split())
    assert not [each for each in told if each not in said], ran.output
    assert ran.changed == 0, ran.output


@on_one_release
def test_a_missing_bundle_is_named_with_the_remedy(single: Single) -> None:
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle="/nowhere.tar.gz")
    assert ran.status != 0
    assert "There is no bundle at /nowhere.tar.gz: run `make release`" in ran.output


@on_one_release
def test_a_check_of_a_bare_host_changes_nothing(single: Single) -> None:
    ran = single.lab.play(
        "site.yml", single.inventory, "--check", "--diff", chatire_bundle=single.bundle
    )
    assert ran.status == 0, ran.output
    assert single.host.shell("test -e /etc/chatire || test -e /opt/chatire").status != 0


# To the older Debian's host, so that the newer one's time from bare to running is a whole one.
@on_bookworm
def test_an_unreachable_host_is_named_before_anything_is_changed(single: Single) -> None:
    accidents.unreachable(single.lab, single.host, single.inventory, single.bundle)


@on_bookworm
def test_a_full_disk_is_told(single: Single) -> None:
    accidents.full_disk(single.lab, single.host, single.inventory, single.bundle)


@on_bookworm
def test_an_ssh_connection_lost_half_way_is_told(single: Single) -> None:
    accidents.lost_ssh(single.lab, single.host, single.inventory, single.bundle)


# Bare, or what the accidents above left half done.
def test_a_bare_host_becomes_a_chat_and_no_secret_is_told(single: Single, figure: Figure) -> None:
    """As talkative as can be, in the run that makes all secrets (on the newer Debian)."""
    began = time.monotonic()
    ran = single.lab.play(
        "site.yml", single.inventory, "-vvv", "--diff", chatire_bundle=single.bundle
    )
    assert ran.status == 0, ran.output
    figure("bare host to running", ran.seconds)
    with single.lab.traffic(single.url, single.host) as traffic:
        pass
    # Accounts, sockets and the count are in it: the first message came earlier.
    figure("bare host to delivered", time.monotonic() - began, BARE_SECONDS)
    expect_clean(traffic.count)
    assert f"address: {single.url}/" in ran.output
    kept = single.inventory.parent / ".secrets"
    secrets = [path.read_text().strip() for path in kept.iterdir()]
    assert secrets
    assert not [secret for secret in secrets if secret in ran.output]
    settings = single.host.shell("cat /etc/chatire/ws.env").output
    assert "\nCHATIRE_WS_FRAMES_PER_SECOND=150\n" in settings


def test_passwords_are_refused_where_a_key_let_the_playbook_in(single: Single) -> None:
    """What sshd makes of all its files: the operator is an ordinary user, who becomes root."""
    in_force = single.host.shell("sshd -T").output.splitlines()
    assert "passwordauthentication no" in in_force
    assert "kbdinteractiveauthentication no" in in_force
    assert "permitrootlogin without-password" in in_force


def test_the_second_run_changes_nothing(single: Single, figure: Figure) -> None:
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert ran.changed == 0, ran.output
    figure("second run", ran.seconds, AGAIN_SECONDS)


@on_one_release
def test_a_check_of_a_running_host_finds_nothing_to_do(single: Single) -> None:
    ran = single.lab.play(
        "site.yml", single.inventory, "--check", "--diff", chatire_bundle=single.bundle
    )
    assert ran.status == 0, ran.output
    assert ran.changed == 0, ran.output


@pytest.mark.parametrize("single", ["trixie"], indirect=True)
def test_processes_that_are_not_wanted_any_more_are_ended(single: Single) -> None:
    ran = single.lab.play(
        "site.yml",
        single.inventory,
        chatire_bundle=single.bundle,
        chatire_http_processes=1,
        chatire_ws_processes=1,
    )
    assert ran.status == 0, ran.output
    listed = "systemctl list-units --plain --no-legend 'chatire-http@*' 'chatire-ws@*'"
    units = {line.split()[0] for line in single.host.shell(listed).output.splitlines()}
    assert units == {"chatire-http@1.socket", "chatire-http@1.service", "chatire-ws@1.service"}
    wanted = single.host.shell("systemctl is-enabled chatire-ws@2.service chatire-http@2.socket")
    assert set(wanted.output.split()) == {"disabled"}
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output


def test_the_suite_finds_nothing_wrong(single: Single) -> None:
    ran = single.lab.smoke(single.inventory, single.host)
    assert ran.status == 0, ran.output


def test_a_reboot_brings_everything_back(single: Single) -> None:
    single.host.reboot()
    with single.lab.traffic(single.url, single.host) as traffic:
        pass
    expect_clean(traffic.count)
    assert single.host.shell("systemctl --failed --no-legend").output.strip() == ""


@on_one_release
def test_a_broken_release_stops_and_nobody_notices(
    single: Single, releases: dict[str, Path]
) -> None:
    before = single.current()
    with single.lab.traffic(single.url, single.host) as traffic:
        ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=releases["broken"])
    assert ran.status != 0
    assert f"is back on {before}" in ran.output, ran.output
    assert single.current() == before
    expect_clean(traffic.count)


def test_a_new_release_comes_under_traffic(
    single: Single, releases: dict[str, Path], figure: Figure
) -> None:
    with single.lab.traffic(single.url, single.host) as traffic:
        ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=releases["good"])
    assert ran.status == 0, ran.output
    assert single.current() == "9.1"
    assert traffic.count.away["count"], "the ws tier was not restarted at all"
    expect_clean(traffic.count)
    figure("deploy", ran.seconds)
    figure("deploy: readers away, p95", traffic.count.away["p95"], RECONNECT_SECONDS)


@on_one_release
def test_the_bundle_of_another_release_is_not_provisioned(single: Single) -> None:
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status != 0
    assert "runs the release 9.1" in ran.output
    assert ran.changed == 0


@on_one_release
def test_a_rollback_goes_back_under_traffic(single: Single) -> None:
    with single.lab.traffic(single.url, single.host) as traffic:
        ran = single.lab.play("rollback.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert single.current() != "9.1"
    expect_clean(traffic.count)


@on_one_release
def test_a_release_that_takes_away_is_not_deployed_unasked(
    single: Single, releases: dict[str, Path]
) -> None:
    before = single.current()
    ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=releases["contracting"])
    assert ran.status != 0
    assert "brings the migration chat.9999_takes_away" in ran.output
    assert "CONTRACT=yes" in ran.output
    assert ran.changed == 0
    assert single.current() == before


@on_one_release
def test_a_release_that_takes_away_is_not_rolled_back(
    single: Single, releases: dict[str, Path]
) -> None:
    deployed = single.lab.play(
        "deploy.yml",
        single.inventory,
        chatire_bundle=releases["contracting"],
        chatire_contract="true",
    )
    assert deployed.status == 0, deployed.output
    ran = single.lab.play("rollback.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status != 0
    assert "the migration chat.9999_takes_away stands between them" in ran.output
    assert ran.changed == 0
    assert single.current() == "9.3"
