"""Who can reach whom: the outside nginx, nginx the tiers, the tiers PostgreSQL, and no more."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest

from target import Node, Target

POSTGRES = 5432
# What smoke.yml says instead of an address.
PUBLIC = "public"


def test_only_nginx_is_published(node: Node) -> None:
    assert bool(node.published) == (node.role == "nginx"), node.published


def test_nginx_is_published_on_loopback_unless_told_otherwise(nginx: Node) -> None:
    told = os.environ.get("CHATIRE_BIND_ADDRESS") or "127.0.0.1"
    if told == PUBLIC:
        pytest.skip("servers are for the public")
    assert {address for address, _ in nginx.published} == {told}, nginx.published


def test_nginx_is_published_where_users_look(target: Target, nginx: Node) -> None:
    address = urlsplit(target.url)
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    assert port in {port for _, port in nginx.published}


def test_the_tiers_reach_postgres(target: Target, tier: Node) -> None:
    """Without this the next test could not fail."""
    assert tier.reaches(target.nodes("postgres")[0].address, POSTGRES)


def test_nginx_does_not_reach_postgres(target: Target, nginx: Node) -> None:
    assert not nginx.reaches(target.nodes("postgres")[0].address, POSTGRES)


def test_nginx_does_not_find_postgres_by_name(nginx: Node) -> None:
    assert nginx.run("getent hosts postgres").rc != 0


def test_only_nginx_has_a_way_out(node: Node) -> None:
    """What breaks into a tier or the database finds nobody to call home to."""
    assert node.has_way_out == (node.role == "nginx")


def test_nginx_would_be_reached_where_it_listens(nginx: Node) -> None:
    """Without this the next test could not fail."""
    assert nginx.reaches(nginx.address, listening_port(nginx))


def test_nothing_behind_nginx_reaches_the_network_in_front(target: Target, behind: Node) -> None:
    if behind.answers_nginx_by_address:
        pytest.skip("it answers to that address; test_ports.py tries those it has no business with")
    nginx = target.nodes("nginx")[0]
    assert not behind.reaches(nginx.address, listening_port(nginx))


def listening_port(node: Node) -> int:
    return int(next(each.at for each in node.listeners if each.address != "127.0.0.11"))
