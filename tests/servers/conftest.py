"""The lab's fixtures. Tests of one topology share its hosts and go in the order they stand in:
each finds what the one before left, as an operator's days do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import REPOSITORY, Lab
from variants import variant


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
    """Further releases: a good one, one whose ws tier does not start, one that takes away."""
    folder = tmp_path_factory.mktemp("releases")
    return {
        kind: variant(bundle, folder, f"9.{number}", kind)
        for number, kind in enumerate(("good", "broken", "contracting"), 1)
    }
