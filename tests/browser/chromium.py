"""The browser that everything here drives, and where the page is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright, sync_playwright

URL = os.environ.get("CHATIRE_URL", "http://localhost:8080").rstrip("/")
EXECUTABLE = os.environ.get("CHATIRE_CHROMIUM", "/usr/bin/chromium")

# In a container: no user namespaces for Chromium's own sandbox, and a /dev/shm of 64 MB.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for a script; tests have a fixture."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
