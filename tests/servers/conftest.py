"""The lab's fixtures. Tests of one topology share its hosts and go in the order they stand in:
each finds what the one before left, as an operator's days do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lab import REPOSITORY, Host, Lab
from single import Single
from variants import variant


class Figure(Protocol):
    """Notes how many seconds something took, and how many it is meant to at most."""

    def __call__(self, what: str, seconds: float, goal: float | None = None) -> None: ...


# What the playbooks do in the same way on either Debian: quick on the newer one only.
on_one_release = pytest.mark.on_one_release


def topology(nodeid: str) -> str:
    """Whose hosts a test goes to: a Debian's, where one module has both, else its module's."""
    module, _, rest = nodeid.partition(".py::")
    debian = re.search(r"\[(trixie|bookworm)\b", rest)
    return debian[1] if debian else module.removeprefix("test_")


class ByTopology(LoadScopeScheduling):
    """Where several processes test (--dist loadscope), one has all tests that share hosts.

    xdist's own loadgroup goes by names that this pytest does not let it change.
    """

    def _split_scope(self, nodeid: str) -> str:
        return topology(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByTopology:
    return ByTopology(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("on_one_release") and topology(item.nodeid) == "bookworm":
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    where = topology(request.node.nodeid)

    def note(what: str, seconds: float, goal: float | None = None) -> None:
        line = f"  {where:<10}{what:<28}{seconds:>7.1f} s"
        if goal is not None:
            line += f"   goal {goal:g} s: {'held' if seconds <= goal else 'MISSED'}"
        # With the test's report, which comes back from whichever process it ran in.
        request.node.user_properties.append(("figure", line))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    noted = [each for report in reports for each in report.user_properties]
    lines = [line for name, line in noted if name == "figure"]
    for line in ["", "Figures", *lines] if lines else []:
        terminalreporter.write_line(line, yellow="MISSED" in line)
    workers = getattr(terminalreporter.config.option, "numprocesses", None)
    if lines and workers and workers > 1:
        terminalreporter.write_line(
            f"Taken while {workers} hosts shared this machine; make test-servers has one at a time."
        )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The release that `make release` built."""
    built = Path(os.environ.get("CHATIRE_BUNDLE", REPOSITORY / "dist" / "latest.tar.gz"))
    assert built.exists(), f"there is no bundle at {built}: run `make release`"
    return built


@pytest.fixture(scope="session")
def releases(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Further releases: good ones, two of which a tier does not start, one that takes away."""
    folder = tmp_path_factory.mktemp("releases")
    (folder / "again").mkdir()
    made = {
        kind: variant(bundle, folder, f"9.{number}", kind)
        for number, kind in enumerate(("good", "broken", "contracting"), 1)
    }
    made["later"] = variant(bundle, folder, "9.4", "good")
    made["broken-http"] = variant(bundle, folder, "9.5", "broken-http")
    # Another one under a version that is there already.
    made["same-version"] = variant(bundle, folder / "again", "9.1", "broken")
    return made


@pytest.fixture(scope="session", params=["trixie", "bookworm"])
def single(request: pytest.FixtureRequest, lab: Lab, bundle: Path) -> Iterator[Single]:
    """Of the session, for two modules have it: each Debian's tests are run together."""
    host = Host(lab, f"chat-{request.param}.test", request.param)
    # The smallest inventory: a host and no group; and a limit that has no variable of its own, and
    # a number that is reckoned from what Ansible finds on the host. So is PostgreSQL's memory.
    inventory = lab.inventory(
        host.name,
        {"all": [host.name]},
        chatire_settings={"CHATIRE_WS_FRAMES_PER_SECOND": 150},
        chatire_http_threads="{{ [ansible_facts['processor_vcpus'] * 4, 16] | min }}",
        postgresql_memory_mb=None,
    )
    yield Single(lab, host, inventory, bundle)
    host.remove()
