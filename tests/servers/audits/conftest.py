"""One host for everything on Debian 13, as `make provision` leaves it, and what is found on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from findings import RESULTS, Findings

import authority
from lab import Host, Lab

NAME = "audit.test"
FOUND = pytest.StashKey[Findings]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = Findings()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table, whatever failed."""
    terminalreporter.section("audits")
    for line in config.stash[FOUND].table():
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"what each tool told is in {RESULTS}")


@pytest.fixture(scope="session")
def findings(request: pytest.FixtureRequest) -> Findings:
    return request.config.stash[FOUND]


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> authority.Authority:
    return authority.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def host(lab: Lab, bundle: Path, ca: authority.Authority) -> Iterator[Host]:
    """The host; its certificate is the test CA's, so that HSTS is on as in production."""
    certificate, key = ca.issue(NAME)
    host = Host(lab, NAME, "trixie")
    inventory = lab.inventory(
        NAME,
        {"all": [NAME]},
        nginx_tls="files",
        nginx_certificate_file=str(certificate),
        nginx_key_file=str(key),
    )
    provisioned = lab.play("site.yml", inventory, chatire_bundle=bundle)
    assert provisioned.status == 0, provisioned.output
    yield host
    host.remove()
