"""A long history: opened at its end, read to its beginning."""

from __future__ import annotations

import re

from person import Newcomer
from playwright.sync_api import Page, expect
from seeding import fill

HISTORY = 700

# More would make the page slow; the figures go through ten thousand.
MOST_NODES = 300

TURN_PX = 400


def numbers(page: Page) -> list[int]:
    """The numbers of the lines in the page, from the top down."""
    texts = page.locator("article .message-text").all_inner_texts()
    return [int(re.findall(r"\d+", text)[0]) for text in texts]


def test_every_message_of_a_long_history_is_seen_once_and_the_place_is_kept(
    newcomer: Newcomer,
) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    fill(ann, path, HISTORY)
    page = ann.open(path).page
    ann.is_live()
    expect(page.get_by_role("article").last).to_be_in_viewport()
    page.get_by_role("log").hover()
    beginning = page.get_by_text("This is the beginning of the chat.")
    seen = set(numbers(page))
    jumps = []
    for _ in range(2 * HISTORY):
        if beginning.is_visible():
            break
        # The line in the middle of what is read moves as far as the wheel turns, and no further,
        # whatever comes in above it.
        moved = page.evaluate(WATCHED_TURN, TURN_PX)
        if moved is not None:
            jumps.append(abs(moved - TURN_PX))
        found = numbers(page)
        assert len(found) == len(set(found)), "a message stands in the page twice"
        assert len(found) <= MOST_NODES
        seen.update(found)
    assert seen == set(range(HISTORY))
    assert max(jumps) <= 2, "what one reads has jumped"
    page.get_by_role("button", name="Jump to newest").click()
    expect(page.get_by_role("article").last).to_be_in_viewport()
    ann.say("at the end")
    expect(ann.message("at the end")).to_be_in_viewport()


WATCHED_TURN = """
async (turn) => {
  const log = document.querySelector('[role=log]')
  const middle = log.getBoundingClientRect().top + log.clientHeight / 2
  const line = [...log.querySelectorAll('article')].find(
    (one) => one.getBoundingClientRect().bottom > middle)
  const before = line.getBoundingClientRect().top
  const whole = log.scrollTop >= turn
  log.scrollBy(0, -turn)
  for (let frame = 0; frame < 6; frame += 1) await new Promise(requestAnimationFrame)
  return whole && line.isConnected ? line.getBoundingClientRect().top - before : null
}
"""
