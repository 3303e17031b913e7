"""From a stranger with a link to somebody in a talk, and out again."""

from __future__ import annotations

import re

from person import Newcomer, Person
from playwright.sync_api import expect


def test_a_stranger_signs_up_and_is_welcomed_by_name(stranger: Newcomer) -> None:
    ann = stranger().open()
    expect(ann.page).to_have_url(re.compile("/auth$"))
    ann.sign_up_by_page()
    expect(ann.page.get_by_role("heading", name=f"Welcome {ann.name}")).to_be_visible()
    assert ann.start_chat().startswith("/chats/")


def test_a_shared_link_leads_through_sign_up_into_the_chat_with_its_history(
    stranger: Newcomer, newcomer: Newcomer
) -> None:
    ann = newcomer("ann")
    path = ann.open().start_chat()
    expect(ann.page.get_by_text("Share the page URL to invite new friends")).to_be_visible()
    ann.say("written before anybody came")
    bob = stranger("bob").open(path)
    expect(bob.page).to_have_url(re.compile("/auth"))
    bob.sign_up_by_page()
    expect(bob.page).to_have_url(re.compile(re.escape(path) + "$"))
    bob.sees("written before anybody came")


def test_the_servers_errors_stand_beside_their_fields(
    newcomer: Newcomer, stranger: Newcomer
) -> None:
    taken = newcomer("taken")
    ann = stranger().open()
    ann.troubled()
    ann.name = taken.name
    ann.sign_up_by_page()
    username = ann.page.get_by_label("Username")
    expect(username).to_have_attribute("aria-invalid", "true")
    expect(username).to_have_accessible_description(re.compile("already exists"))
    expect(username).to_be_focused()


def test_a_wrong_password_is_refused_with_a_sentence(newcomer: Newcomer) -> None:
    ann = newcomer()
    ann.context.clear_cookies()
    ann.open().troubled()
    ann.password += "x"
    ann.sign_in_by_page()
    expect(ann.page.get_by_role("alert").filter(has_text="No active account")).to_be_visible()
    expect(ann.page.get_by_role("button", name="Sign in")).to_be_focused()


def test_a_reload_stays_signed_in(newcomer: Newcomer) -> None:
    ann = newcomer().open()
    ann.page.reload()
    expect(ann.page.get_by_role("heading", name=f"Welcome {ann.name}")).to_be_visible()


def test_no_script_can_read_a_token(newcomer: Newcomer) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    found = ann.page.evaluate(
        """() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"""
    )
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", found), path
    cookie = next(one for one in ann.context.cookies() if "refresh" in one["name"].lower())
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def test_the_cookie_is_worth_nothing_to_a_foreign_page(newcomer: Newcomer) -> None:
    ann = newcomer()
    for path in ("/auth/jwt/refresh/", "/auth/logout/"):
        answer = ann.context.request.post(ann.base + path, headers={"Origin": "http://evil.test"})
        assert answer.status == 403, path
    ann.open()
    expect(ann.page.get_by_role("heading", name=f"Welcome {ann.name}")).to_be_visible()


def sign_out(person: Person, button: str) -> None:
    person.page.get_by_role("button", name="Account and settings").click()
    person.page.get_by_role("button", name=button, exact=True).click()


def test_signing_out_leads_to_the_sign_in_page_and_stays_there(newcomer: Newcomer) -> None:
    ann = newcomer().open()
    expect(ann.page.get_by_text("No chats yet")).to_be_visible()
    sign_out(ann, "Sign out")
    expect(ann.page).to_have_url(re.compile("/auth$"))
    ann.page.goto("/chats/whatever")
    expect(ann.page).to_have_url(re.compile("/auth"))


def test_signing_out_in_one_tab_signs_out_all(newcomer: Newcomer) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    other = ann.context.new_page()
    other.goto("/")
    expect(other.get_by_role("heading", name="Welcome")).to_be_visible()
    ann.page.goto("/")
    ann.page.bring_to_front()
    other.goto(path)
    ann.is_live(other)
    sign_out(ann, "Sign out")
    expect(other).to_have_url(re.compile("/auth"))
    expect(other.get_by_text("You signed out in another tab.")).to_be_visible()
    # Its sockets may be closed before it hears why: then it asks for a token, and is refused.
    ann.troubles[:] = [trouble for trouble in ann.troubles if "401" not in trouble]


def test_signing_out_everywhere_ends_the_session_of_another_browser_at_once(
    newcomer: Newcomer, stranger: Newcomer
) -> None:
    here = newcomer().open()
    there = stranger("there")
    there.name, there.password = here.name, here.password
    there.open().sign_in_by_page()
    there.start_chat()
    there.troubled()
    sign_out(here, "Sign out everywhere")
    expect(there.page).to_have_url(re.compile("/auth"))
    expect(there.page.get_by_text("Your session is over. Sign in again to go on.")).to_be_visible()


def test_after_a_session_is_over_signing_in_returns_to_the_talk(
    newcomer: Newcomer, stranger: Newcomer
) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    ann.say("before")
    ann.sees("before")
    ann.troubled()
    ann.call_signed_in("POST", "/auth/logout/", data={"everywhere": True})
    expect(ann.page).to_have_url(re.compile("/auth"))
    ann.sign_in_by_page()
    expect(ann.page).to_have_url(re.compile(re.escape(path) + "$"))
    ann.sees("before")
