"""Makes docs/images/*.png from the real page: `python tests/browser/screenshots.py [folder]`.

Against the stack at CHATIRE_URL, which gets a few accounts and chats by it.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import chromium
from person import Person
from playwright.sync_api import Browser, Page, expect

FOLDER = Path(__file__).resolve().parents[2] / "docs/images"

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 800},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

# Between two keys, so that a word takes longer than the moment after a message in which nobody is
# told that its writer types.
TYPING_MS = 250

TALK = [
    ("grace", "Morning! Did the nightly run go through?"),
    ("ada", "It did 🎉 All green, and twice as fast as last week."),
    ("grace", "Lovely. What made the difference?"),
    (
        "ada",
        "One insert per message instead of one per reader. The notes are at "
        "https://example.org/notes/fan-out, have a look when you find the time.",
    ),
    ("grace", "Will do. שבת שלום in advance, and see you on Monday!"),
    ("ada", "See you then 👋"),
    ("grace", "👍"),
]
OTHERS = [
    ("alan", "The tape is full again. Can somebody bring a new one?"),
    ("barbara", "I have put the agenda into the shared folder."),
    ("edsger", "Shall we go to the lake after work?"),
]


def somebody(browser: Browser, name: str, **options: Any) -> Person:
    """An account by this name, or by the first of name.2, name.3, … that is free."""
    context = browser.new_context(base_url=chromium.URL, **options)
    person = Person(context, chromium.URL, name)
    for number in itertools.count(2):
        account = {"username": person.name, "password": person.password}
        answer = context.request.post(f"{chromium.URL}/auth/users/", data=account)
        if answer.ok:
            break
        assert "username" in answer.json(), answer.text()
        person.name = f"{name}.{number}"
    person.sign_in_by_cookie()
    return person


def picture(page: Page, path: Path) -> None:
    page.screenshot(path=path, animations="disabled")


def sign_up_page(browser: Browser, folder: Path) -> None:
    page = browser.new_page(base_url=chromium.URL, **DESK)
    page.goto("/")
    page.get_by_label("Email Address").fill("ada@example.org")
    page.get_by_label("Username").fill("ada")
    picture(page, folder / "sign-up.png")
    page.close()


def other_chats(browser: Browser, ada: Person) -> None:
    """Chats that others have started with Ada, one of which she has not read."""
    for name, text in OTHERS:
        other = somebody(browser, name)
        uri = other.call_signed_in("POST", "/api/chats/").json()["uri"]
        other.call_signed_in("PATCH", f"/api/chats/{uri}/", data={"username": ada.name})
        other.call_signed_in("POST", f"/api/chats/{uri}/messages/", data={"message": text})
        other.context.close()


def take(browser: Browser, folder: Path) -> None:
    sign_up_page(browser, folder)
    ada, grace = somebody(browser, "ada", **DESK), somebody(browser, "grace", **PHONE)
    people = {"ada": ada, "grace": grace}
    other_chats(browser, ada)
    path = ada.open().start_chat()
    grace.open(path).is_live()
    for name, text in TALK:
        people[name].say(text)
        for person in people.values():
            person.sees(text)
    grace.field().press_sequentially("One more", delay=TYPING_MS)
    expect(ada.page.get_by_text("is typing")).to_be_visible()
    picture(ada.page, folder / "chat-light.png")
    ada.page.emulate_media(color_scheme="dark")
    grace.field().press_sequentially(" thing,", delay=TYPING_MS)
    expect(ada.page.get_by_text("is typing")).to_be_visible()
    picture(ada.page, folder / "chat-dark.png")
    grace.field().fill("")
    picture(grace.page, folder / "chat-phone.png")
    ada.page.emulate_media(color_scheme="light")
    ada.page.get_by_role("link", name="Back to your chats").click()
    expect(ada.page.get_by_role("listitem")).to_have_count(len(OTHERS) + 1)
    picture(ada.page, folder / "chats.png")


def main(given: list[str]) -> int:
    folder = Path(given[0]) if given else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with chromium.launched() as browser:
        take(browser, folder)
    for made in sorted(folder.glob("*.png")):
        sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
