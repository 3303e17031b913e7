"""Accidents to a host while `site.yml` runs; each proves what the operator is told of it."""

from __future__ import annotations

from pathlib import Path

from lab import Host, Lab, Ran, must

MAIN = "/var/lib/postgresql/*/main"


def unreachable(lab: Lab, host: Host, inventory: Path, bundle: Path) -> None:
    """The host does not answer: it is named, and nothing is changed anywhere."""
    must(["docker", "pause", host.container])
    try:
        ran = lab.play("site.yml", inventory, chatire_bundle=bundle)
    finally:
        must(["docker", "unpause", host.container])
    assert ran.status != 0
    assert ran.recap[host.name]["unreachable"] == 1, ran.output
    assert ran.changed == 0, ran.output


def lost_power(lab: Lab, host: Host, inventory: Path, bundle: Path) -> None:
    """The host goes down while PostgreSQL makes its cluster, and comes up with half of it."""

    def accident() -> None:
        # Stopped in its tracks, or the power might go when it is done. A folder without this file
        # is none to Debian's tools, which would make it themselves.
        begun = f"until test -e {MAIN}/PG_VERSION && pkill -STOP -x initdb; do sleep 0.02; done"
        assert host.shell(f"timeout 110 sh -c '{begun}'").status == 0
        host.lose_power()

    # The task before the packages.
    at = "TASK [postgresql : Ensure the cluster will be made"
    ran = lab.interrupted("site.yml", inventory, at, accident, chatire_bundle=bundle)
    host.power_up()
    assert ran.status != 0
    assert ran.recap[host.name]["unreachable"] == 1, ran.output
    assert "postgresql" in host.shell("dpkg --audit").output
    assert host.shell(f"test -e {MAIN}/PG_VERSION").status == 0
    assert host.shell("test -e /etc/postgresql/*/main/postgresql.conf").status != 0


def full_disk(lab: Lab, host: Host, inventory: Path, bundle: Path) -> Ran:
    """The release does not fit on the host's disk."""
    with host.full("/opt/chatire/releases"):
        ran = lab.play("site.yml", inventory, chatire_bundle=bundle)
    assert ran.status != 0
    assert "No space left on device" in ran.output, ran.output
    assert ran.recap[host.name]["failed"] == 1, ran.output
    return ran


def lost_ssh(lab: Lab, host: Host, inventory: Path, bundle: Path) -> None:
    """The connection ends half-way, and no new one comes about."""
    with host.without_ssh() as hang_up:
        ran = lab.interrupted(
            "site.yml", inventory, "TASK [http : ", hang_up, chatire_bundle=bundle
        )
    assert ran.status != 0
    assert ran.recap[host.name]["unreachable"] == 1, ran.output
