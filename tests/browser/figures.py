"""Measures the page in a real Chromium: `python tests/browser/figures.py [--check] [--json F]`.

Against the stack at CHATIRE_URL. Prints a table; with --check, ends with status 1 when a goal of
the page's is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections import Counter
from pathlib import Path
from secrets import token_hex
from typing import Any

import chromium
from person import PATIENCE_MS, Person
from playwright.sync_api import Browser, Page, expect
from seeding import fill

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from report import Figure, show, write

# The goals of the page.
MOST_JS_KB = 120
MOST_CSS_KB = 40
MOST_NODES = 2_000
LONGEST_TASK_MS = 200
MOST_PAINT_MS = 100

SHORT_HISTORY = 50
LONG_HISTORY = 10_000

# A room of LONG_HISTORY may take this many times as long to open as one of SHORT_HISTORY: as fast,
# but for what such short times vary from run to run.
AS_FAST = 1.5

LOADS = 7
MESSAGES = 60

# Runs before the page's own scripts: notes long tasks, and when the first message is painted.
WATCH = """
(() => {
  window.watched = { tasks: [], article: null, nodes: 0 }
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.watched.tasks.push(duration)
  }).observe({ type: 'longtask', buffered: true })
  new MutationObserver(() => {
    const articles = document.getElementsByTagName('article').length
    window.watched.nodes = Math.max(window.watched.nodes, articles)
    if (articles > 0 && window.watched.article === null) {
      window.watched.article = 0
      requestAnimationFrame(() => setTimeout(() => { window.watched.article = performance.now() }))
    }
  }).observe(document, { childList: true, subtree: true })
})()
"""

# Notes when a key went down, and when a message was painted, on the clock of the machine.
PRESSED = """
addEventListener('keydown', (event) => {
  if (event.key === 'Enter') window.pressed = performance.timeOrigin + performance.now()
}, { capture: true })
"""
PAINTED = """
(() => {
  window.painted = {}
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      if (!(node instanceof HTMLElement) || !node.matches('article')) continue
      const text = node.querySelector('.message-text').textContent
      // After the next frame's painting.
      requestAnimationFrame(() => setTimeout(() => {
        window.painted[text] ??= performance.timeOrigin + performance.now()
      }))
    }
  }).observe(document.querySelector('[role=log]'), { childList: true, subtree: true })
})()
"""


def somebody(browser: Browser, name: str, **options: Any) -> Person:
    context = browser.new_context(base_url=chromium.URL, **options)
    person = Person(context, chromium.URL, f"{name}-{token_hex(3)}")
    person.make_account()
    person.sign_in_by_cookie()
    return person


def first_load(browser: Browser) -> list[Figure]:
    """What a stranger loads and waits for."""
    weights: dict[str, int] = {}
    paints: list[float] = []
    blocked: list[float] = []
    for _ in range(LOADS):
        context = browser.new_context(base_url=chromium.URL)
        context.add_init_script(WATCH)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        kinds: dict[str, str] = {}
        weights = {}

        def answered(event: dict[str, Any], kinds: dict[str, str] = kinds) -> None:
            kinds[event["requestId"]] = event["type"]

        def finished(
            event: dict[str, Any],
            kinds: dict[str, str] = kinds,
            weights: dict[str, int] = weights,
        ) -> None:
            kind = kinds.get(event["requestId"], "Other")
            weights[kind] = weights.get(kind, 0) + int(event["encodedDataLength"])

        session.on("Network.responseReceived", answered)
        session.on("Network.loadingFinished", finished)
        page.goto("/")
        expect(page.get_by_role("button", name="Sign up")).to_be_visible()
        page.wait_for_timeout(300)
        paints.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )
        tasks = page.evaluate("window.watched.tasks")
        blocked.append(sum(max(0, task - 50) for task in tasks))
        context.close()
    return [
        Figure("JavaScript of a first load", weights["Script"] / 1000, "KB", MOST_JS_KB, "gzipped"),
        Figure("CSS of a first load", weights["Stylesheet"] / 1000, "KB", MOST_CSS_KB, "gzipped"),
        Figure("first contentful paint", statistics.median(paints), "ms", note=f"of {LOADS} loads"),
        Figure("total blocking time", statistics.median(blocked), "ms", note=f"of {LOADS} loads"),
    ]


def wait_until(page: Page, holds: str, argument: object = None) -> None:
    """Waits inside the page; Playwright's own way needs `eval`, which the page's policy forbids."""
    page.evaluate(
        f"""async (argument) => {{
          const late = performance.now() + {PATIENCE_MS}
          while (!({holds})(argument)) {{
            if (performance.now() > late) throw new Error('it did not come to hold')
            await new Promise((resolve) => setTimeout(resolve, 5))
          }}
        }}""",
        argument,
    )


def opening(person: Person, path: str) -> float:
    """Milliseconds from the navigation until messages are painted: the median of several."""
    times = []
    for _ in range(LOADS):
        person.page.goto("about:blank")
        person.open(path)
        wait_until(person.page, "() => window.watched.article > 0")
        times.append(float(person.page.evaluate("window.watched.article")))
    return statistics.median(times)


class Tasks:
    """What the page's main thread does, from Chromium's own trace.

    A task's length counts the time that others had the processor as well; how long it ran itself
    tells a slow page from a busy machine.
    """

    CATEGORY = "disabled-by-default-devtools.timeline"

    def __init__(self, person: Person) -> None:
        self._page = person.page
        self._session = person.context.new_cdp_session(person.page)
        self._events: list[dict[str, Any]] = []
        self._session.on("Tracing.dataCollected", lambda part: self._events.extend(part["value"]))
        config = {"includedCategories": [self.CATEGORY, "devtools.timeline"]}
        self._session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})

    def longest_run(self) -> float:
        """Ends the trace; the longest that one task ran itself, in milliseconds."""
        complete: list[object] = []
        self._session.on("Tracing.tracingComplete", lambda event: complete.append(event))
        self._session.send("Tracing.end")
        while not complete:
            self._page.wait_for_timeout(50)
        # The page's is the thread that fires animation frames the most.
        frames = Counter(
            (event["pid"], event["tid"])
            for event in self._events
            if event["name"] == "FireAnimationFrame"
        )
        thread = frames.most_common(1)[0][0]
        runs: list[float] = [
            event.get("tdur", 0) / 1000
            for event in self._events
            if event["name"] == "RunTask" and (event["pid"], event["tid"]) == thread
        ]
        return max(runs)


def scroll_through(person: Person, path: str) -> tuple[int, float, float, int]:
    """Scrolls up to the beginning.

    The most messages in the page, the longest task and the longest that one ran itself (ms), the
    turns of the wheel.
    """
    page = person.open(path).page
    person.is_live()
    running = Tasks(person)
    page.evaluate("window.watched.tasks.length = 0")
    page.get_by_role("log").hover()
    beginning = page.get_by_text("This is the beginning of the chat.")
    steps = 0
    while not beginning.is_visible():
        page.mouse.wheel(0, -2500)
        page.wait_for_timeout(30)
        steps += 1
        if steps > 5_000:
            raise TimeoutError("the beginning of the chat did not come")
    expect(page.get_by_role("article").first).to_contain_text("line")
    tasks = [float(task) for task in page.evaluate("window.watched.tasks")]
    nodes = int(page.evaluate("window.watched.nodes"))
    return nodes, max(tasks, default=0.0), running.longest_run(), steps


def histories(browser: Browser) -> list[Figure]:
    person = somebody(browser, "reader", viewport={"width": 1280, "height": 800})
    person.context.add_init_script(WATCH)
    times = {}
    for count in (SHORT_HISTORY, LONG_HISTORY):
        path = person.open().start_chat()
        fill(person, path, count)
        times[count] = opening(person, path)
    nodes, longest, ran, steps = scroll_through(person, path)
    person.context.close()
    short, long = times[SHORT_HISTORY], times[LONG_HISTORY]
    through = f"scrolling through {LONG_HISTORY:,}, {steps} turns of the wheel"
    return [
        Figure(f"opening a chat of {SHORT_HISTORY}", short, "ms", note=f"median of {LOADS}"),
        Figure(
            f"opening a chat of {LONG_HISTORY:,}", long, "ms", AS_FAST * short, f"median of {LOADS}"
        ),
        Figure("most messages in the page", nodes, "", MOST_NODES, through),
        Figure("longest task", longest, "ms", LONGEST_TASK_MS, "0: none over 50 ms; " + through),
        Figure("… without waiting", ran, "ms", note="the longest that one ran itself"),
    ]


def paints(browser: Browser) -> list[Figure]:
    """From a key that goes down to the message painted in the other's browser."""
    ann, bob = somebody(browser, "ann"), somebody(browser, "bob")
    path = ann.open().start_chat()
    bob.open(path).is_live()
    ann.page.evaluate(PRESSED)
    bob.page.evaluate(PAINTED)
    delays = []
    for number in range(MESSAGES):
        text = f"message {number}"
        ann.field().fill(text)
        ann.field().press("Enter")
        wait_until(bob.page, "text => window.painted[text]", text)
        pressed = float(ann.page.evaluate("window.pressed"))
        delays.append(float(bob.page.evaluate("text => window.painted[text]", text)) - pressed)
    for person in (ann, bob):
        person.context.close()
    delays.sort()
    note = f"of {MESSAGES} messages, from key down at one to painted at the other"
    return [
        Figure("message painted, median", statistics.median(delays), "ms", MOST_PAINT_MS, note),
        Figure("message painted, 95 %", delays[int(len(delays) * 0.95)], "ms"),
    ]


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a goal is missed")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args(given)
    load = os.getloadavg()[0]
    with chromium.launched() as browser:
        figures = [*first_load(browser), *histories(browser), *paints(browser)]
        version = browser.version
    show(figures)
    if load > (os.cpu_count() or 1):
        sys.stdout.write(f"The machine was busy (load {load:.1f} before).\n")
    if options.json:
        write(figures, options.json, {"chromium": version, "load": load})
    missed = [figure.name for figure in figures if figure.verdict == "over"]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
