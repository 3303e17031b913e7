"""Somebody with a browser of their own: what a person does in the page, and sees there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from playwright.sync_api import (
    APIResponse,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)

# Enough for the slowest thing a page waits for by itself: a reconnect after several failures.
PATIENCE_MS = 30_000

TOO_MANY = 429
PATIENT_TRIES = 20

# What a navigation breaks off is no failure.
BROKEN_OFF = "net::ERR_ABORTED"


class Person:
    """One person in one browser context; `page` is the tab they look at.

    Everything that goes wrong unasked (console errors, reports of the Content-Security-Policy
    among them, failed requests, exceptions) is collected in `troubles`; the fixture that made
    the person fails the test for any, unless `troubled` was called.
    """

    def __init__(self, context: BrowserContext, base: str, name: str) -> None:
        self.context = context
        self.base = base
        self.name = name
        self.password = secrets.token_urlsafe(16)
        self.troubles: list[str] = []
        self._troubled = False
        context.on("page", self._watch)
        self.page = context.new_page()

    # --- what goes wrong ---

    def troubled(self) -> None:
        """From here on things break on purpose."""
        self._troubled = True

    def _watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != BROKEN_OFF:
            self._note(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status}: {response.request.method} {response.url}")

    def _note(self, trouble: str) -> None:
        if not self._troubled:
            self.troubles.append(trouble)

    # --- the API, for what a test only needs to be there ---

    def call(self, method: str, path: str, **options: Any) -> APIResponse:
        """A call from this person's browser, with its cookies, outside of any page."""
        for _ in range(PATIENT_TRIES):
            response = self.context.request.fetch(self.base + path, method=method, **options)
            # Many people sign up from this one address, faster than a server may allow.
            if response.status != TOO_MANY:
                break
            self.page.wait_for_timeout(1000 * float(response.headers.get("retry-after", "1")))
        assert response.ok, f"{method} {path}: {response.status} {response.text()}"
        return response

    def make_account(self) -> None:
        self.call("POST", "/auth/users/", data={"username": self.name, "password": self.password})

    def sign_in_by_cookie(self) -> None:
        """Signs in so that the next page finds the cookie."""
        credentials = {"username": self.name, "password": self.password, "cookie": True}
        self.call("POST", "/auth/jwt/create/", data=credentials)

    def token(self) -> str:
        """An access token of a session of its own."""
        credentials = {"username": self.name, "password": self.password}
        return str(self.call("POST", "/auth/jwt/create/", data=credentials).json()["access"])

    def call_signed_in(self, method: str, path: str, **options: Any) -> APIResponse:
        headers = {"Authorization": f"JWT {self.token()}"}
        return self.call(method, path, headers=headers, **options)

    # --- the page ---

    def open(self, path: str = "/") -> Person:
        self.page.goto(self.base + path)
        return self

    def sign_up_by_page(self) -> None:
        self.page.get_by_role("tab", name="Sign Up").click()
        self.page.get_by_label("Email Address").fill(f"{self.name}@example.org")
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(self.password)
        self.page.get_by_role("button", name="Sign up").click()

    def sign_in_by_page(self) -> None:
        self.page.get_by_role("tab", name="Sign In").click()
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(self.password)
        self.page.get_by_role("button", name="Sign in").click()

    def start_chat(self) -> str:
        """Starts a chat from the first page and returns its path, once it is live."""
        self.page.get_by_role("button", name="Start Chatting").click()
        self.page.wait_for_url("**/chats/*")
        self.is_live()
        path: str = self.page.url.removeprefix(self.base)
        return path

    def is_live(self, page: Page | None = None) -> None:
        """The chat is open, its socket is up, and one is seen as online."""
        at = page or self.page
        expect(self.field(at)).to_be_visible(timeout=PATIENCE_MS)
        expect(at.locator(".chat-title .quiet")).to_contain_text("online", timeout=PATIENCE_MS)

    def field(self, page: Page | None = None) -> Locator:
        return (page or self.page).get_by_label("Type a message")

    def say(self, text: str, page: Page | None = None) -> None:
        at = page or self.page
        self.field(at).fill(text)
        at.get_by_role("button", name="Send", exact=True).click()

    def message(self, text: str, page: Page | None = None) -> Locator:
        """The article of this very text."""
        body = (page or self.page).locator(
            ".message-text", has_text=re.compile(rf"^{re.escape(text)}$")
        )
        return (page or self.page).get_by_role("article").filter(has=body)

    def sees(self, *texts: str, page: Page | None = None) -> None:
        """Each of these messages is in the page exactly once."""
        for text in texts:
            expect(self.message(text, page)).to_have_count(1, timeout=PATIENCE_MS)

    def has_sent(self, text: str, page: Page | None = None) -> None:
        """The server has committed this own message; `sees` holds as soon as it is said."""
        state = self.message(text, page).get_by_text("Sent", exact=True)
        expect(state).to_be_attached(timeout=PATIENCE_MS)

    def texts(self, page: Page | None = None) -> list[str]:
        """All messages in the page, in its order."""
        texts: list[str] = (page or self.page).locator("article .message-text").all_inner_texts()
        return texts

    def sees_exactly(self, texts: list[str], page: Page | None = None) -> None:
        """These messages, in this order, each once, and no others."""
        articles = (page or self.page).locator("article .message-text")
        expect(articles).to_have_text(texts, timeout=PATIENCE_MS)


Newcomer = Callable[..., Person]
