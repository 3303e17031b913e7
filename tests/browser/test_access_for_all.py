"""Keyboard, screen readers, contrast, and screens of all sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import AXE
from person import Newcomer, Person
from playwright.sync_api import Page, expect

Talk = tuple[Person, Person]

# WCAG 2.2 level AA, and what axe-core calls good practice besides.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
WIDE = {"viewport": {"width": 1440, "height": 900}}
LOOKS: list[dict[str, Any]] = [
    {**WIDE, "color_scheme": "light"},
    {**WIDE, "color_scheme": "dark"},
    {**PHONE, "color_scheme": "light"},
    {**PHONE, "color_scheme": "dark"},
]
NAMES = ["wide-light", "wide-dark", "phone-light", "phone-dark"]


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.exists():
        pytest.fail(f"{AXE} is not there; run `npm ci` in app/frontend or set CHATIRE_AXE")
    return AXE.read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds. It comes in by the debugger, so the page's policy stays as it is."""
    page.evaluate(axe)
    # Elements that fade in are half transparent for a moment.
    page.evaluate(
        """() => Promise.all(
          document.getAnimations()
            .filter((one) => one.effect.getTiming().iterations !== Infinity)
            .map((one) => one.finished)
        )"""
    )
    result = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
    )
    return [
        f"{found['id']}: {found['help']}: {[node['html'] for node in found['nodes']]}"
        for found in result["violations"]
    ]


@pytest.mark.parametrize("look", LOOKS, ids=NAMES)
def test_axe_finds_nothing_on_any_page(
    stranger: Newcomer,
    newcomer: Newcomer,
    axe: str,
    artefacts: Path,
    look: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    which = request.node.callspec.id
    ann, bob = stranger("ann", **look), newcomer("bob")
    pages: dict[str, list[str]] = {}

    def look_at(place: str) -> None:
        ann.page.screenshot(path=artefacts / f"{which}-{place}.png")
        pages[place] = violations(ann.page, axe)

    ann.open()
    expect(ann.page.get_by_role("tab", name="Sign Up")).to_be_visible()
    look_at("sign-up")
    ann.page.get_by_role("tab", name="Sign In").click()
    look_at("sign-in")
    ann.sign_up_by_page()
    expect(ann.page.get_by_text("No chats yet")).to_be_visible()
    look_at("no-chats")
    path = ann.start_chat()
    look_at("empty-chat")
    bob.open(path).is_live()
    for text in ("Hello! Look at https://example.org/ please.", "And this? 🎉", "🎉"):
        bob.say(text)
        ann.sees(text)
    ann.say("Thank you, that is a good idea. Shall we meet tomorrow?")
    expect(ann.page.get_by_text(f"Read by {bob.name}")).to_be_visible()
    bob.field().press_sequentially("yes, gladly", delay=200)
    expect(ann.page.get_by_text("is typing")).to_be_visible()
    ann.field().fill("x" * 1990)
    look_at("chat")
    ann.field().fill("")
    if "phone" in which:
        ann.page.get_by_role("button", name="People in this chat").click()
        look_at("people")
        ann.page.get_by_role("button", name="Close").click()
    ann.page.get_by_role("link", name="Back to your chats").click()
    expect(ann.page.get_by_role("listitem")).to_have_count(1)
    bob.say("one more")
    expect(ann.page.get_by_text("1 unread")).to_be_attached()
    ann.page.get_by_role("button", name="Account and settings").click()
    look_at("chats")
    ann.troubled()
    ann.open("/chats/no-such-chat")
    expect(ann.page.get_by_role("heading", name="There is no such chat")).to_be_visible()
    look_at("no-such-chat")
    assert {place: found for place, found in pages.items() if found} == {}


@pytest.fixture(params=[360, 768, 1920])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_nothing_is_cut_off_or_scrolls_sideways(newcomer: Newcomer, width: int) -> None:
    ann = newcomer(viewport={"width": width, "height": 700})
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    ann.open()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_visible()
    assert ann.page.evaluate(sideways) <= 0
    ann.start_chat()
    ann.say("a-word-that-does-not-end-" * 20)
    ann.say("several words " * 30)
    expect(ann.page.get_by_role("article")).to_have_count(2)
    assert ann.page.evaluate(sideways) <= 0
    log = ann.page.get_by_role("log")
    assert log.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    for name in ("Send", "Copy link"):
        expect(ann.page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)


def test_everything_can_be_done_with_the_keyboard(stranger: Newcomer) -> None:
    ann = stranger().open()
    keyboard = ann.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(30):
            keyboard.press("Tab")
            focused = ann.page.evaluate(
                "(document.activeElement?.getAttribute('aria-label') "
                "|| document.activeElement?.labels?.[0]?.textContent "
                "|| document.activeElement?.textContent || '').trim()"
            )
            if focused == name:
                outline = ann.page.evaluate(
                    "(() => { const on = document.activeElement;"
                    "const box = on.closest('.composer-box') ?? on;"
                    "return getComputedStyle(box).outlineStyle })()"
                )
                assert outline != "none", f"no visible focus on {name}"
                return
        raise AssertionError(f"Tab does not lead to {name!r}")

    expect(ann.page.get_by_role("tab", name="Sign Up")).to_be_visible()
    tab_to("Sign Up")
    keyboard.press("ArrowRight")
    expect(ann.page.get_by_role("tab", name="Sign In")).to_be_focused()
    keyboard.press("ArrowLeft")
    tab_to("Username")
    keyboard.type(ann.name)
    tab_to("Password")
    keyboard.type(ann.password)
    keyboard.press("Enter")
    expect(ann.page.get_by_role("heading", name="Welcome")).to_be_visible()
    tab_to("Start Chatting")
    keyboard.press("Enter")
    ann.is_live()
    expect(ann.field()).to_be_focused()
    keyboard.type("typed")
    keyboard.press("Enter")
    ann.sees("typed")
    tab_to("Copy link")
    tab_to("Messages")
    tab_to("Type a message")


def test_new_messages_are_announced_and_old_ones_are_not(talk: Talk) -> None:
    ann, bob = talk
    log = ann.page.get_by_role("log", name="Messages")
    expect(log).to_have_attribute("aria-live", "polite")
    bob.say("hello")
    expect(log.get_by_role("article")).to_have_count(1)
    expect(ann.page.get_by_role("article")).to_contain_text(f"{bob.name}")


def test_the_accessible_names_are_the_tutorials(stranger: Newcomer) -> None:
    ann = stranger().open()
    for tab in ("Sign Up", "Sign In"):
        expect(ann.page.get_by_role("tab", name=tab, exact=True)).to_be_visible()
    for field in ("Email Address", "Username", "Password"):
        expect(ann.page.get_by_label(field)).to_have_count(1)
    expect(ann.page.get_by_role("button", name="Sign up", exact=True)).to_be_visible()
    ann.page.get_by_role("tab", name="Sign In").click()
    expect(ann.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    ann.sign_up_by_page()
    expect(ann.page.get_by_role("button", name="Start Chatting", exact=True)).to_be_visible()
    ann.start_chat()
    expect(ann.page.get_by_label("Type a message")).to_have_count(1)
    expect(ann.page.get_by_role("button", name="Send")).to_have_count(1)
    assert ann.page.get_by_role("article").count() == 0


def test_motion_stops_for_who_asks_for_less_of_it(newcomer: Newcomer) -> None:
    ann = newcomer("ann", reduced_motion="reduce")
    bob = newcomer("bob")
    path = ann.open().start_chat()
    bob.open(path).is_live()
    bob.field().press_sequentially("x")
    dots = ann.page.locator(".typing .loading-dots i").first
    expect(dots).to_have_css("animation-iteration-count", "1")
