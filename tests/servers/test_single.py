"""Everything on one host, over real SSH: from bare to a chat, and what then happens to it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

import accidents
import backups
from certificates import pair
from conftest import Figure, on_one_release
from lab import ANSIBLE, PLAYBOOKS, expect_clean, run, wait_until
from single import Single
from wrong_variables import WRONG

# On a quiet machine; told at the end of a run, and not held to in a test: this one may be busy.
BARE_SECONDS, AGAIN_SECONDS = 240, 60
# Read by the fixture of this name.
on_bookworm = pytest.mark.parametrize("single", ["bookworm"], indirect=True)


@pytest.fixture
def vault(single: Single, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The inventory with its secrets encrypted, and its password where Ansible looks for it."""
    inventory, password = single.lab.vaulted(single.inventory)
    monkeypatch.setitem(ANSIBLE, "ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    return inventory


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
def test_a_setting_that_needs_facts_is_told_apart_where_python_is_missing(single: Single) -> None:
    away = "mv /usr/bin/python3 /usr/bin/python3.away"
    assert single.host.shell(away).status == 0
    try:
        ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    finally:
        single.host.shell("mv /usr/bin/python3.away /usr/bin/python3")
    assert ran.status != 0
    said = " ".join(ran.output.replace("\\", "").split())
    assert f"chatire_http_threads cannot be worked out for {single.host.name}" in said, ran.output
    assert "run `apt-get install python3` there, or write a value" in said, ran.output
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
def test_a_host_that_loses_its_power_half_way_is_told(single: Single) -> None:
    accidents.lost_power(single.lab, single.host, single.inventory, single.bundle)


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
    processors = int(single.host.shell("nproc").output)
    assert f"\nCHATIRE_HTTP_THREADS={min(processors * 4, 16)}\n" in settings


def test_passwords_are_refused_where_a_key_let_the_playbook_in(single: Single) -> None:
    """What sshd makes of all its files: the operator is an ordinary user, who becomes root."""
    in_force = single.host.shell("sshd -T").output.splitlines()
    assert "passwordauthentication no" in in_force
    assert "kbdinteractiveauthentication no" in in_force
    assert "permitrootlogin without-password" in in_force


@on_one_release
def test_what_a_run_wrote_and_did_not_apply_is_applied_by_the_next(single: Single) -> None:
    """It was cut off after the files, so nothing differs from what it should be but what runs."""
    host = single.host
    # PostgreSQL has another setting than it is given by the run that is cut off.
    conf = "/etc/postgresql/*/main/conf.d/chatire.conf"
    other = f"sed -i 's/^jit = off/jit = on/' {conf} && systemctl restart 'postgresql@*'"
    assert host.shell(other).status == 0
    at = "TASK [postgresql : Ensure the settings are in place"
    with host.without_ssh() as hang_up:
        ran = single.lab.interrupted(
            "site.yml", single.inventory, at, hang_up, chatire_bundle=single.bundle
        )
    assert ran.status != 0
    assert host.shell(f"grep -x 'jit = off' {conf}").status == 0
    assert single.host.sql("SHOW jit") == "on"
    # What else it might have left.
    units = "chatire-ws@1 chatire-http@1 nginx"
    started = f"systemctl show --property=ExecMainStartTimestamp --value {units}"
    before = host.shell(started).output
    folders = "/var/log/chatire /run/chatire/ws"
    closed = f"nft delete table inet chatire && chmod 0700 {folders}"
    written = "/etc/chatire/ws.env /etc/chatire/secrets/http/postgres_password /etc/nftables.conf"
    written += " /etc/systemd/system/nginx.service /etc/tmpfiles.d/chatire-*.conf"
    # As after a power cut; with pip, releases are installed by the tests that follow.
    emptied = "/etc/chatire/tls/site.pem /var/lib/postgresql/chatire.pem"
    emptied += " /opt/chatire/releases/.pip/bin/pip"
    left = f"sleep 1; touch {written} && truncate --size=0 {emptied} && {closed}"
    assert host.shell(left).status == 0
    # And a deploy: a process of another release, which started after all of that.
    was = single.current()
    other = f"sleep 1; cp -a {was} other && ln -sfn releases/other ../current"
    back = f"systemctl restart chatire-ws@2 && ln -sfn releases/{was} ../current"
    assert host.shell(f"cd /opt/chatire/releases && {other} && {back}").status == 0
    assert single.running() == {was, "other"}
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert single.host.sql("SHOW jit") == "off"
    assert single.running() == {was}
    assert host.shell("rm -r /opt/chatire/releases/other").status == 0
    after = host.shell(started).output
    assert not set(before.split("\n")) & set(after.split("\n")) - {""}, after
    assert "policy drop" in host.shell("nft list table inet chatire").output
    assert "dport 22" in host.shell("nft list table inet chatire").output
    assert host.shell(f"stat --format=%a {folders}").output.split() == ["750", "2750"]
    assert single.answers()
    assert host.shell("openssl x509 -noout -in /var/lib/postgresql/chatire.pem").status == 0


@on_one_release
def test_who_is_let_in_is_applied_without_a_restart(single: Single) -> None:
    """By the next run, as well."""
    started, loaded = "SELECT pg_postmaster_start_time()", "SELECT pg_conf_load_time()"
    before = single.host.sql(started), single.host.sql(loaded)
    assert single.host.shell("touch /etc/postgresql/*/main/pg_hba.conf").status == 0
    ran = single.lab.play(
        "site.yml", single.inventory, "--tags=postgresql", chatire_bundle=single.bundle
    )
    assert ran.status == 0, ran.output
    assert single.host.sql(started) == before[0]
    assert single.host.sql(loaded) > before[1]


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


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["http", "ws"])
@pytest.mark.parametrize("single", ["trixie"], indirect=True)
def test_what_no_process_can_start_with_ends_one_only(single: Single, tier: str) -> None:
    """The first; what it had read is back with the next run."""
    others = f"chatire-{tier}@2"
    started = f"systemctl show --property=ActiveState,ExecMainStartTimestamp {others}"
    before = single.host.shell(started).output
    ours = {"chatire_bundle": single.bundle}
    ran = single.lab.play("site.yml", single.inventory, **ours, **{f"{tier}_memory": "8M"})
    assert ran.status != 0
    assert f"Unable to restart service chatire-{tier}@1.service" in ran.output, ran.output
    assert "ActiveState=active" in before
    assert single.host.shell(started).output == before
    ran = single.lab.play("site.yml", single.inventory, **ours)
    assert ran.status == 0, ran.output
    assert single.host.shell(f"systemctl is-active chatire-{tier}@1 {others}").status == 0


@on_one_release
def test_secrets_are_read_from_a_vault(single: Single, vault: Path) -> None:
    """The same ones: there is nothing to change, and none is made beside the inventory."""
    ran = single.lab.play("site.yml", vault, "--check", "--tags=app", chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert "Ensure each reader has its secrets" in ran.output
    assert ran.changed == 0, ran.output
    assert not (vault.parent / ".secrets").exists()


@on_one_release
def test_a_vault_without_its_password_is_named_with_the_remedy(vault: Path) -> None:
    ran = run(
        [str(PLAYBOOKS / "play"), "site"],
        environment={**os.environ, "INVENTORY": str(vault.parent)},
    )
    assert ran.status != 0
    assert f"{vault.parent}/group_vars/all/vault.json is encrypted by ansible-vault" in ran.output
    assert "ANSIBLE_VAULT_PASSWORD_FILE=/path make provision" in ran.output


def test_the_suite_finds_nothing_wrong(single: Single, vault: Path) -> None:
    """Its inventory is read with the vault's password; every port there is, is tried."""
    ran = single.lab.smoke(vault, single.host, smoke_ports="all")
    assert ran.status == 0, ran.output


# By who refuses it: what nginx's description has besides, and what is told of it.
BAD: dict[str, tuple[Mapping[str, object], str]] = {
    "nginxgen": ({"process": {"workers": "many"}}, "process.workers"),
    "nginx": ({"tls": {"certificate": "/nowhere.pem"}}, 'cannot load certificate "/nowhere.pem"'),
}


@on_one_release
@pytest.mark.parametrize("who", BAD)
def test_a_configuration_that_is_refused_replaces_nothing(single: Single, who: str) -> None:
    wrong, told = BAD[who]
    before = single.nginx_files()
    ran = single.lab.play(
        "site.yml",
        single.inventory,
        "--tags=nginx",
        chatire_bundle=single.bundle,
        nginx_description=wrong,
    )
    assert ran.status != 0
    assert told in ran.output.replace("\\", ""), ran.output
    assert ran.changed == 0, ran.output
    assert single.nginx_files() == before
    assert single.answers()


@on_one_release
def test_a_configuration_that_nginx_does_not_take_is_put_back(single: Single) -> None:
    """It passes nginx's own test, which asks for no port; but somebody has the port."""
    before = single.host.shell("cat /etc/chatire/nginx/nginx.conf").output
    holds = "systemd-run --unit=squatter python3 -m http.server 8444"
    assert single.host.shell(holds).status == 0
    try:
        ran = single.lab.play(
            "deploy.yml",
            single.inventory,
            chatire_bundle=single.bundle,
            nginx_description={"tls": {"listen": ["443", "8444"]}},
        )
    finally:
        single.host.shell("systemctl stop squatter")
    assert ran.status != 0
    said = " ".join(ran.output.replace("\\", "").split())
    assert "nginx keeps the nginx.conf it had" in said, ran.output
    assert "nginx did not take its new nginx.conf, so the one before is back" in said, ran.output
    assert single.host.shell("cat /etc/chatire/nginx/nginx.conf").output == before
    assert single.answers()
    # Nothing is in the way of the next run, which has the description as it was.
    ran = single.lab.play(
        "site.yml", single.inventory, "--tags=nginx", chatire_bundle=single.bundle
    )
    assert ran.status == 0, ran.output
    assert single.answers()
    assert set(single.host.shell("ls -A /etc/chatire/nginx").output.split()) == {
        "nginx.conf",
        "site.json",
    }


@on_one_release
def test_nginx_that_does_not_get_its_ports_is_told(single: Single) -> None:
    """Something else answers there already; no test of nginx's own asks for a port."""
    holds = "systemd-run --unit=squatter python3 -m http.server 80"
    # It is tried for ever, and never runs.
    tries = f"systemctl stop nginx && {holds} && systemctl start --no-block nginx"
    assert single.host.shell(tries).status == 0
    tags = ("--tags=nginx",)
    try:
        ran = single.lab.play("site.yml", single.inventory, *tags, chatire_bundle=single.bundle)
    finally:
        single.host.shell("systemctl stop squatter")
    assert ran.status != 0, ran.output
    assert "Unable to restart service nginx.service" in ran.output, ran.output
    ran = single.lab.play("site.yml", single.inventory, *tags, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert single.answers()


@on_one_release
def test_a_certificate_that_is_not_its_keys_replaces_nothing(single: Single) -> None:
    certificate, _ = pair(single.lab.folder, "one", single.host.name)
    _, key = pair(single.lab.folder, "other", single.host.name)
    before = single.host.shell("sha256sum /etc/chatire/tls/*").output
    ran = single.lab.play(
        "site.yml",
        single.inventory,
        chatire_bundle=single.bundle,
        nginx_tls="files",
        nginx_certificate_file=certificate,
        nginx_key_file=key,
    )
    assert ran.status != 0
    assert "the certificate is not this key's" in ran.output, ran.output
    assert ran.changed == 0, ran.output
    assert single.host.shell("sha256sum /etc/chatire/tls/*").output == before


@on_one_release
def test_what_is_over_is_removed(single: Single) -> None:
    """Long before the timer's time."""
    tokens = "token_blacklist_outstandingtoken"
    single.host.sql(
        f"INSERT INTO {tokens} (token, jti, created_at, expires_at)"
        " VALUES ('', 'over', now() - interval '2 days', now() - interval '1 day')"
    )
    assert single.host.shell("systemctl start chatire-flush.service").status == 0
    assert single.host.sql(f"SELECT count(*) FROM {tokens} WHERE jti = 'over'") == "0"


def test_a_reboot_brings_everything_back(single: Single) -> None:
    single.host.reboot()
    with single.lab.traffic(single.url, single.host) as traffic:
        pass
    expect_clean(traffic.count)
    assert single.host.shell("systemctl --failed --no-legend").output.strip() == ""


@on_one_release
def test_a_database_that_is_told_to_end_comes_back(single: Single) -> None:
    """By a signal past systemd: the postmaster ends as it should, which is no failure."""
    pid = "systemctl show --property=MainPID --value 'postgresql@*-main.service'"
    before = single.host.shell(pid).output.strip()
    # A fast shutdown.
    assert single.host.shell(f"kill -INT {before}").status == 0
    wait_until(
        lambda: single.host.shell(pid).output.strip() not in (before, "0"),
        "PostgreSQL is started anew",
        30,
    )
    with single.lab.traffic(single.url, single.host) as traffic:
        pass
    expect_clean(traffic.count)


@on_one_release
def test_a_backup_is_restored_and_taken_back(
    single: Single, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = single.lab.trust(single.host)
    monkeypatch.setenv("SSL_CERT_FILE", trusted["SSL_CERT_FILE"])
    backups.restored_and_undone(single)


@on_one_release
def test_what_is_no_backup_is_not_restored_and_a_full_disk_is_told(single: Single) -> None:
    backups.refused(single)
