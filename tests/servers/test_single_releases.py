"""Releases on one host: deployed and rolled back under traffic, broken ones, and those refused.

On the hosts that test_single.py leaves, whose name sorts before this one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Figure, on_one_release
from lab import RECONNECT_SECONDS, expect_clean
from single import Single


@pytest.fixture(scope="module", autouse=True)
def last(single: Single) -> Iterator[None]:
    """The host goes with its last test: others are to have the machine."""
    yield
    single.host.remove()


def goes_back(single: Single, bundle: Path) -> str:
    """Deploys it under traffic, which notices nothing; returns the release before, in use again."""
    before = single.current()
    with single.lab.traffic(single.url, single.host) as traffic:
        ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=bundle)
    assert ran.status != 0
    assert f"is back on {before}" in ran.output, ran.output
    assert single.current() == before
    expect_clean(traffic.count)
    return before


@on_one_release
def test_a_broken_release_stops_and_nobody_notices(
    single: Single, releases: dict[str, Path]
) -> None:
    goes_back(single, releases["broken"])


@on_one_release
def test_a_release_with_a_broken_http_tier_leaves_no_process_on_it(
    single: Single, releases: dict[str, Path]
) -> None:
    """The ws tier was switched before, and goes back with the host's link."""
    before = goes_back(single, releases["broken-http"])
    assert single.running() == {before}


@on_one_release
def test_a_broken_release_that_was_cut_off_half_way_goes_back_as_well(
    single: Single, releases: dict[str, Path]
) -> None:
    """The link is switched already, so what is in use does not tell where to go back to."""
    before = single.current()
    half_way = f"ln -sfn releases/{before} previous && ln -sfn releases/9.2 current"
    assert single.host.shell(f"cd /opt/chatire && {half_way}").status == 0
    ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=releases["broken"])
    assert ran.status != 0
    assert f"is back on {before}" in ran.output, ran.output
    assert single.current() == before
    up = "systemctl is-active chatire-ws@1 chatire-ws@2 chatire-http@1 chatire-http@2"
    assert single.host.shell(up).status == 0


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
def test_another_release_under_a_version_that_is_there_is_not_deployed(
    single: Single, releases: dict[str, Path]
) -> None:
    bundle = releases["same-version"]
    ran = single.lab.play("deploy.yml", single.inventory, chatire_bundle=bundle)
    assert ran.status != 0
    said = " ".join(ran.output.split())
    assert "has another release 9.1 than the bundle's" in said, ran.output
    assert ran.changed == 0, ran.output


@on_one_release
def test_the_bundle_of_another_release_is_not_provisioned(single: Single) -> None:
    ran = single.lab.play("site.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status != 0
    assert "runs the release 9.1" in ran.output
    assert ran.changed == 0


@on_one_release
def test_a_rollback_goes_back_under_traffic(single: Single, figure: Figure) -> None:
    with single.lab.traffic(single.url, single.host) as traffic:
        ran = single.lab.play("rollback.yml", single.inventory, chatire_bundle=single.bundle)
    assert ran.status == 0, ran.output
    assert single.current() != "9.1"
    expect_clean(traffic.count)
    figure("rollback: readers away, p95", traffic.count.away["p95"], RECONNECT_SECONDS)


@on_one_release
def test_a_deploy_that_lost_ssh_half_way_is_finished_by_the_next(
    single: Single, releases: dict[str, Path]
) -> None:
    """Nobody notices either; and what is no longer to be kept is gone afterwards."""
    before = single.current()
    with single.lab.traffic(single.url, single.host) as traffic:
        with single.host.without_ssh() as hang_up:
            ran = single.lab.interrupted(
                "deploy.yml",
                single.inventory,
                "TASK [app : Restart it",
                hang_up,
                chatire_bundle=releases["later"],
            )
        assert ran.status != 0
        assert ran.recap[single.host.name]["unreachable"] == 1, ran.output
        assert single.kept() == {before, "9.1", "9.2", "9.4", "9.5"}
        # What an installation leaves that is cut off.
        archive = "/opt/chatire/releases/9.0.tar.gz"
        unpacked = "/opt/chatire/releases/.9.0.tar.gz.new"
        assert single.host.shell(f"touch {archive} && mkdir {unpacked}").status == 0
        ran = single.lab.play(
            "deploy.yml",
            single.inventory,
            chatire_bundle=releases["later"],
            chatire_kept_releases=2,
        )
    assert ran.status == 0, ran.output
    assert traffic.count.away["count"], "the ws tier was not restarted at all"
    expect_clean(traffic.count)
    assert single.running() == {"9.4"}
    # Those that the first had restarted are proven as well.
    assert ran.output.count("TASK [app : Send a message through it]") == 4, ran.output
    # The one before, and the newest of the others.
    assert single.kept() == {"9.4", before, "9.1"}
    assert single.host.shell(f"ls -d {archive} {unpacked}").output.count("No such file") == 2


@on_one_release
def test_a_rollback_to_a_release_that_is_not_kept_is_refused_with_those_that_are(
    single: Single,
) -> None:
    before = single.current()
    ran = single.lab.play("rollback.yml", single.inventory, chatire_version="9.2")
    assert ran.status != 0
    said = " ".join(ran.output.replace("\\", "").split())
    assert f"{single.host.name} has no release '9.2' to go back to; it keeps 9.4, " in said
    told = said.partition("it keeps ")[2].partition(". Name one with chatire_version")[0]
    assert set(told.split(", ")) == single.kept()
    assert ran.changed == 0, ran.output
    assert single.current() == before


@on_one_release
def test_a_migration_that_no_kept_release_knows_is_not_rolled_back_over(single: Single) -> None:
    """A deploy that was refused had applied it, and its release is gone."""
    strange = "('chat', '9998_gone', now())"
    into = f"INSERT INTO django_migrations (app, name, applied) VALUES {strange}"
    single.host.sql(into)
    try:
        ran = single.lab.play("rollback.yml", single.inventory, chatire_version="9.1")
    finally:
        single.host.sql("DELETE FROM django_migrations WHERE name = '9998_gone'")
    assert ran.status != 0
    said = " ".join(ran.output.split())
    assert "the migration chat.9998_gone stands between them" in said, ran.output
    assert ran.changed == 0, ran.output


@on_one_release
def test_a_rollback_goes_to_the_release_that_is_named(single: Single) -> None:
    """Which is another than the one before."""
    assert single.host.shell("readlink /opt/chatire/previous").output.strip() != "releases/9.1"
    ran = single.lab.play("rollback.yml", single.inventory, chatire_version="9.1")
    assert ran.status == 0, ran.output
    assert single.running() == {"9.1"}
    assert single.current() == "9.1"


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
