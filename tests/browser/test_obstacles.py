"""Things that cannot be: each says so in a sentence and offers a way on."""

from __future__ import annotations

from person import Newcomer, Person
from playwright.sync_api import Dialog, expect


def no_alert_boxes(person: Person) -> None:
    def refuse(dialog: Dialog) -> None:
        dialog.dismiss()
        raise AssertionError(f"an alert box: {dialog.message}")

    person.page.on("dialog", refuse)


def test_a_link_to_no_chat(newcomer: Newcomer) -> None:
    ann = newcomer()
    no_alert_boxes(ann)
    ann.troubled()
    ann.open("/chats/there-is-no-such-chat")
    expect(ann.page.get_by_role("heading", name="There is no such chat")).to_be_visible()
    ann.page.get_by_role("link", name="Go to your chats").click()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_visible()


def test_an_address_that_leads_nowhere(newcomer: Newcomer) -> None:
    ann = newcomer().open("/chats/too/deep")
    expect(ann.page.get_by_role("heading", name="There is no such page")).to_be_visible()
    ann.page.get_by_role("link", name="Go to your chats").click()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_visible()


def test_a_server_that_is_away_when_the_page_starts(newcomer: Newcomer) -> None:
    ann = newcomer()
    no_alert_boxes(ann)
    ann.troubled()
    ann.context.route("**/auth/jwt/refresh/", lambda route: route.fulfill(status=503, json={}))
    ann.page.clock.install()
    ann.open()
    expect(ann.page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
    ann.context.unroute("**/auth/jwt/refresh/")
    ann.page.get_by_role("button", name="Try again now").click()
    welcome = ann.page.get_by_role("heading", name=f"Welcome {ann.name}")
    expect(welcome).to_be_visible()
    # When the page would have tried by itself it does not start over.
    here = welcome.element_handle()
    ann.page.clock.fast_forward(60_000)
    ann.page.wait_for_timeout(500)
    assert here.evaluate("node => node.isConnected")


def test_a_server_that_is_away_when_a_chat_is_opened(newcomer: Newcomer) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    ann.troubled()
    ann.context.route("**/api/chats/**", lambda route: route.fulfill(status=502, json={}))
    ann.open(path)
    expect(ann.page.get_by_role("heading", name="The server is away")).to_be_visible()
    ann.context.unroute("**/api/chats/**")
    ann.is_live()


def test_too_fast(newcomer: Newcomer) -> None:
    ann = newcomer().open()
    no_alert_boxes(ann)
    ann.troubled()
    throttled = {"detail": "Too fast.", "code": "throttled"}
    ann.context.route(
        "**/api/chats/",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "7"}, json=throttled),
    )
    ann.page.get_by_role("button", name="Start Chatting").click()
    alert = ann.page.get_by_role("alert").filter(has_text="try again in 7 seconds")
    expect(alert).to_be_visible()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_enabled()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_focused()


def test_an_address_outside_the_page_is_readable_on_a_phone(newcomer: Newcomer) -> None:
    phone = {"width": 360, "height": 740}
    ann = newcomer("ann", viewport=phone, is_mobile=True, has_touch=True)
    ann.troubled()
    ann.open("/nowhere")
    expect(ann.page.get_by_role("heading", name="Not found.")).to_be_visible()
    assert ann.page.evaluate("innerWidth") == phone["width"]
    ann.page.get_by_role("link", name="Start page").click()
    expect(ann.page.get_by_role("button", name="Start Chatting")).to_be_visible()
