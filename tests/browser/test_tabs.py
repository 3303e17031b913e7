"""One person with two tabs."""

from __future__ import annotations

import re

from person import Person
from playwright.sync_api import expect

Talk = tuple[Person, Person]


def test_both_tabs_show_every_message_once(talk: Talk) -> None:
    ann, bob = talk
    second = ann.context.new_page()
    second.goto(ann.page.url)
    ann.is_live(second)
    ann.say("from the first tab")
    ann.sees("from the first tab", page=second)
    ann.say("from the second tab", page=second)
    bob.sees("from the second tab")
    bob.say("from bob")
    whole = ["from the first tab", "from the second tab", "from bob"]
    ann.sees_exactly(whole)
    ann.sees_exactly(whole, page=second)
    bob.sees_exactly(whole)


def test_a_second_tab_does_not_count_as_another_person(talk: Talk) -> None:
    ann, _ = talk
    second = ann.context.new_page()
    second.goto(ann.page.url)
    ann.is_live(second)
    expect(second.get_by_text("2 members, 2 online")).to_be_visible()
    second.close()
    expect(ann.page.get_by_text("2 members, 2 online")).to_be_visible()


def test_two_tabs_that_are_reloaded_together_stay_signed_in(talk: Talk) -> None:
    ann, _ = talk
    second = ann.context.new_page()
    second.goto(ann.page.url)
    ann.is_live(second)
    for _ in range(3):
        with ann.page.expect_event("load"), second.expect_event("load"):
            for page in (ann.page, second):
                page.evaluate("setTimeout(() => location.reload())")
        for page in (ann.page, second):
            ann.is_live(page)
            expect(page).to_have_url(re.compile("/chats/"))
