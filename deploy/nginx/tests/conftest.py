"""Sites for the tests: one that a module shares, and new ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import Opened, Site, open_site
from tiers import HttpTier


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the defaults, for the tests of one module."""
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    """The shared site, with nothing seen yet and nothing unusual behind it."""
    shared.http.requests.clear()
    shared.ws.handshakes.clear()
    shared.ws.refuse_with = None
    shared.http.behave = HttpTier.ordinary
    return shared


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens a site of its own: `with opened(limits=…) as site`."""
    return lambda **more: open_site(tmp_path, **more)
