"""How the tests come to a browser and to people in it.

CHATIRE_URL       where the page is, http://localhost:8080 unless told
CHATIRE_PROJECT   the Compose project behind it, for the tests that kill something: `chatire`
CHATIRE_CHROMIUM  the browser, /usr/bin/chromium unless told
CHATIRE_AXE       axe-core's axe.min.js; app/frontend/node_modules has it after `npm ci`
CHATIRE_ARTEFACTS where pictures and traces of failed tests go, tests/browser/artefacts unless told
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from person import PATIENCE_MS, Newcomer, Person
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

HERE = Path(__file__).resolve().parent
AXE = Path(
    os.environ.get("CHATIRE_AXE")
    or HERE.parents[1] / "app/frontend/node_modules/axe-core/axe.min.js"
)
ARTEFACTS = Path(os.environ.get("CHATIRE_ARTEFACTS") or HERE / "artefacts")

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = chromium.launch(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def base() -> str:
    return chromium.URL


@pytest.fixture(scope="session")
def artefacts() -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def stranger(
    browser: Browser, base: str, artefacts: Path, request: pytest.FixtureRequest
) -> Iterator[Newcomer]:
    """Makes people who have no account yet; each has a browser context of their own.

    Takes the options of a context, and `name`: what their name begins with.
    """
    people: list[Person] = []

    def make(name: str = "ann", **options: Any) -> Person:
        context: BrowserContext = browser.new_context(**{"base_url": base, **options})
        context.set_default_timeout(PATIENCE_MS)
        context.tracing.start(screenshots=True, snapshots=True)
        person = Person(context, base, f"{name}-{secrets.token_hex(3)}")
        people.append(person)
        return person

    yield make

    failed = request.node.stash.get(FAILED, False)
    troubles = [f"{person.name}: {trouble}" for person in people for trouble in person.troubles]
    for person in people:
        path = artefacts / f"{request.node.name}-{person.name}.zip" if failed or troubles else None
        person.context.tracing.stop(path=path)
        person.context.close()
    assert not troubles, "something went wrong in a page:\n" + "\n".join(troubles)


@pytest.fixture
def newcomer(stranger: Newcomer) -> Newcomer:
    """Makes people who have an account and are signed in; no page is open yet."""

    def make(name: str = "ann", **options: Any) -> Person:
        person = stranger(name, **options)
        person.make_account()
        person.sign_in_by_cookie()
        return person

    return make


@pytest.fixture
def talk(newcomer: Newcomer) -> tuple[Person, Person]:
    """Two people in one live chat."""
    ann, bob = newcomer("ann"), newcomer("bob")
    path = ann.open().start_chat()
    bob.open(path).is_live()
    ann.page.get_by_text("2 members, 2 online").wait_for()
    return ann, bob
