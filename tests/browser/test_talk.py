"""Two people in one chat."""

from __future__ import annotations

import re

import pytest
from person import Newcomer, Person
from playwright.sync_api import expect

Talk = tuple[Person, Person]

# Who says nothing more is shown as typing for five seconds.
STILL_TYPING_MS = 4_000


def test_two_people_talk_both_ways(talk: Talk) -> None:
    ann, bob = talk
    ann.say("hello bob")
    bob.sees("hello bob")
    bob.say("hello ann")
    ann.sees("hello ann")
    for person in talk:
        person.sees_exactly(["hello bob", "hello ann"])
        # Whoever wrote goes on writing.
        expect(person.field()).to_be_focused()
    assert ann.page.get_by_role("article").count() == 2


def test_ones_own_messages_are_right_on_blue_and_others_left_with_a_letter(talk: Talk) -> None:
    ann, bob = talk
    ann.say("mine")
    bob.say("theirs")
    ann.sees("mine", "theirs")
    middle = ann.page.locator("[role=log]").bounding_box()
    mine = ann.message("mine").locator(".bubble").bounding_box()
    theirs = ann.message("theirs").locator(".bubble").bounding_box()
    assert middle
    assert mine
    assert theirs
    centre = middle["x"] + middle["width"] / 2
    assert mine["x"] > centre > theirs["x"] + theirs["width"]
    colour = "node => getComputedStyle(node).backgroundColor"
    red, _, blue = _rgb(ann.message("mine").locator(".bubble").evaluate(colour))
    assert blue > red + 100
    assert min(_rgb(ann.message("theirs").locator(".bubble").evaluate(colour))) > 240
    expect(ann.message("theirs").locator(".avatar")).to_have_text("B")


RECTANGLES = """message => ['.message-text', 'time'].map(
  part => message.querySelector(part).getBoundingClientRect().toJSON())"""


def test_the_time_stands_beside_a_short_text_and_below_a_long_one(talk: Talk) -> None:
    ann, bob = talk
    long = "far too long for one line, " * 20
    for text in ("short", "\u05e9\u05dc\u05d5\u05dd", long.strip()):
        ann.say(text)
        for person in (ann, bob):
            # Both at once: the list moves up when the others have read it.
            words, time = person.message(text).evaluate(RECTANGLES)
            below = time["top"] >= words["bottom"]
            assert below == (text not in {"short", "\u05e9\u05dc\u05d5\u05dd"})
            assert below or time["left"] >= words["right"]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = re.findall(r"\d+", colour)[:3]
    return int(red), int(green), int(blue)


def test_enter_sends_and_shift_enter_breaks_the_line(talk: Talk) -> None:
    ann, bob = talk
    ann.field().press_sequentially("one")
    ann.field().press("Shift+Enter")
    ann.field().press_sequentially("two")
    ann.field().press("Enter")
    bob.sees_exactly(["one\ntwo"])
    expect(ann.field()).to_have_value("")


@pytest.mark.parametrize(
    "text", ["🎉", "👩‍👩‍👧 a family", "שלום עולם", "日本語テキスト", "a\tb  c"]
)
def test_any_script_arrives_as_it_was_written(talk: Talk, text: str) -> None:
    ann, bob = talk
    ann.say(text)
    expect(bob.page.get_by_role("article")).to_have_count(1)
    assert bob.page.locator(".message-text").evaluate("node => node.textContent") == text


def test_right_to_left_text_runs_from_the_right(talk: Talk) -> None:
    ann, bob = talk
    ann.say("שלום, מה שלומך?")
    text = bob.page.locator(".message-text")
    expect(text).to_have_css("direction", "rtl")


def test_one_sees_who_is_typing_until_they_send(talk: Talk) -> None:
    ann, bob = talk
    bob.field().press_sequentially("hmm")
    line = ann.page.get_by_text(f"{bob.name} is typing")
    expect(line).to_be_visible()
    bob.field().press("Enter")
    ann.sees("hmm")
    # By itself the line would stay for longer.
    expect(line).to_be_hidden(timeout=STILL_TYPING_MS)


def test_one_sees_who_is_online_and_who_has_left(talk: Talk) -> None:
    ann, bob = talk
    people = ann.page.get_by_role("complementary", name="People in this chat")
    row = people.get_by_role("listitem").filter(has_text=bob.name)
    expect(row).to_contain_text("Online")
    bob.page.close()
    expect(row).to_contain_text("Offline")
    expect(ann.page.get_by_text("2 members, 1 online")).to_be_visible()


def test_one_sees_when_a_message_was_read(newcomer: Newcomer) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    path = ann.open().start_chat()
    bob.open(path).is_live()
    # Somebody who scrolls through history or looks elsewhere has not read it.
    bob.page.evaluate("window.dispatchEvent(new Event('blur'))")
    bob.open("/")
    ann.say("have you seen this?")
    ann.has_sent("have you seen this?")
    expect(ann.page.get_by_text(f"Read by {bob.name}")).to_be_hidden()
    bob.open(path).sees("have you seen this?")
    expect(ann.page.get_by_text(f"Read by {bob.name}")).to_be_visible()
    expect(ann.message("have you seen this?").get_by_text("Read", exact=True)).to_be_attached()


def test_what_was_read_is_still_known_after_a_reload(talk: Talk) -> None:
    ann, bob = talk
    ann.say("have you seen this?")
    read_by = ann.page.get_by_text(f"Read by {bob.name}")
    expect(read_by).to_be_visible()
    bob.page.close()
    ann.page.reload()
    ann.is_live()
    expect(read_by).to_be_visible()
    expect(ann.message("have you seen this?").get_by_text("Read", exact=True)).to_be_attached()


def test_who_comes_by_the_link_has_read_what_stands_there(newcomer: Newcomer) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    path = ann.open().start_chat()
    ann.say("written before you came")
    ann.call_signed_in("PATCH", f"/api{path}/", data={"username": bob.name})
    expect(ann.page.get_by_text("2 members, 1 online")).to_be_visible()
    expect(ann.page.get_by_text("Read by")).to_be_hidden()
    bob.open(path).sees("written before you came")
    expect(ann.page.get_by_text(f"Read by {bob.name}")).to_be_visible()


def test_the_list_of_chats_is_live(talk: Talk) -> None:
    ann, bob = talk
    ann.page.get_by_role("link", name="Back to your chats").click()
    row = ann.page.get_by_role("listitem")
    expect(row).to_have_count(1)
    bob.say("are you there?")
    expect(row).to_contain_text("are you there?")
    expect(row).to_contain_text("1 unread")
    expect(ann.page).to_have_title(re.compile(r"^\(1\) "))
    row.get_by_role("link").click()
    ann.sees("are you there?")
    expect(ann.page.get_by_text("New messages")).to_be_visible()
    expect(ann.page).not_to_have_title(re.compile(r"^\("))
    ann.page.get_by_role("link", name="Back to your chats").click()
    expect(row).not_to_contain_text("unread")


def test_somebody_who_has_scrolled_up_is_not_moved_but_told(talk: Talk) -> None:
    ann, bob = talk
    for number in range(40):
        bob.say(f"line {number}")
    ann.sees("line 39")
    log = ann.page.get_by_role("log")
    log.hover()
    ann.page.mouse.wheel(0, -600)
    jump = ann.page.get_by_role("button", name="Jump to newest")
    expect(jump).to_be_visible()
    place = log.evaluate("box => box.scrollTop")
    bob.say("news")
    told = ann.page.get_by_role("button", name="1 new")
    expect(told).to_be_visible()
    assert log.evaluate("box => box.scrollTop") == place
    told.click()
    expect(ann.message("news")).to_be_in_viewport()
    expect(told).to_be_hidden()


def test_the_link_is_copied(newcomer: Newcomer) -> None:
    ann = newcomer(permissions=["clipboard-read", "clipboard-write"])
    ann.open().start_chat()
    ann.page.get_by_role("button", name="Copy link").click()
    expect(ann.page.get_by_text("Link copied")).to_be_visible()
    assert ann.page.evaluate("navigator.clipboard.readText()") == ann.page.url


def test_the_counter_warns_near_the_limit_and_beyond_it_nothing_is_sent(talk: Talk) -> None:
    ann, _ = talk
    ann.field().fill("😀" * 1995)
    expect(ann.page.get_by_text("5 characters left")).to_be_visible()
    ann.field().fill("😀" * 2001)
    expect(ann.page.get_by_text("1 character too many")).to_be_visible()
    expect(ann.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


def test_a_message_at_the_limit_arrives_whole(talk: Talk) -> None:
    ann, bob = talk
    text = "😀" * 1999 + "."
    ann.say(text)
    bob.sees_exactly([text])


def test_somebody_can_be_added_by_name_and_removed_by_the_owner(
    talk: Talk, newcomer: Newcomer
) -> None:
    ann, _ = talk
    cat = newcomer("cat")
    people = ann.page.get_by_role("complementary", name="People in this chat")
    people.get_by_label("Add somebody by their name").fill(cat.name)
    people.get_by_role("button", name="Add", exact=True).click()
    row = people.get_by_role("listitem").filter(has_text=cat.name)
    expect(row).to_be_visible()
    cat.open(ann.page.url.removeprefix(ann.base)).is_live()
    cat.troubled()
    row.get_by_role("button", name=f"Remove {cat.name}").click()
    row.get_by_role("button", name="Remove").click()
    expect(row).to_be_hidden()
    heading = cat.page.get_by_role("heading", name="You are not a member of this chat")
    expect(heading).to_be_visible()
    cat.page.get_by_role("button", name="Join again").click()
    refused = cat.page.get_by_role("heading", name="You were removed from this chat")
    expect(refused).to_be_visible()
    expect(cat.page.get_by_role("button", name="Join again")).to_be_hidden()
    cat.page.get_by_role("link", name="Go to your chats").click()
    expect(cat.page.get_by_role("button", name="Start Chatting")).to_be_visible()


def test_somebody_can_leave_and_come_back_by_the_link(talk: Talk) -> None:
    ann, bob = talk
    path = bob.page.url
    bob.page.get_by_role("button", name="Leave this chat").click()
    bob.page.get_by_role("button", name="Yes, leave this chat").click()
    expect(bob.page.get_by_role("button", name="Start Chatting")).to_be_visible()
    expect(ann.page.get_by_text("1 member,")).to_be_visible()
    bob.page.goto(path)
    bob.is_live()
    expect(ann.page.get_by_text("2 members, 2 online")).to_be_visible()
