"""What others write and are called stays text."""

from __future__ import annotations

import json

import pytest
from person import Newcomer, Person
from playwright.sync_api import Route, expect

Talk = tuple[Person, Person]

HOSTILE = [
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "<svg onload='window.hacked=1'></svg>",
    '"><iframe src="javascript:window.hacked=1"></iframe>',
    "{{ constructor.constructor('window.hacked = 1')() }}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_script_in_a_message_stays_text(talk: Talk, text: str) -> None:
    ann, bob = talk
    ann.say(text)
    bob.sees_exactly([text])
    for person in talk:
        assert person.page.evaluate("window.hacked") is None
        assert person.page.locator("article").locator("script, img, iframe").count() == 0
    bob.open("/")
    expect(bob.page.get_by_role("listitem")).to_contain_text(text)
    assert bob.page.evaluate("window.hacked") is None


def test_script_in_a_username_stays_text(newcomer: Newcomer) -> None:
    ann = newcomer()
    path = ann.open().start_chat()
    ann.say("hello")
    ann.sees("hello")
    hostile = HOSTILE[1]

    def renamed(route: Route) -> None:
        """The server as it would be, had it let such a name in."""
        response = route.fetch()
        body = response.text().replace(json.dumps(ann.name), json.dumps(hostile))
        body = body.replace('"id":', '"id":9')
        route.fulfill(response=response, body=body)

    ann.context.route(lambda url: "/api/chats/" in url, renamed)
    ann.open(path)
    expect(ann.page.locator(".message-author")).to_have_text(hostile)
    expect(ann.page.get_by_role("heading", level=1)).to_contain_text(hostile)
    assert ann.page.evaluate("window.hacked") is None
    assert ann.page.locator("#app img").count() == 0


def test_links_open_without_a_way_back_and_nothing_else_is_a_link(talk: Talk) -> None:
    ann, bob = talk
    ann.say("see https://example.org/a?b=c, not javascript:alert(1) or [x](https://y.example)")
    links = bob.page.locator("article a")
    expect(links).to_have_count(2)
    for link in links.all():
        expect(link).to_have_attribute("target", "_blank")
        assert "noopener" in (link.get_attribute("rel") or "")
    assert links.first.get_attribute("href") == "https://example.org/a?b=c"


def test_the_policy_stops_inline_script_and_style_even_if_the_page_were_broken(
    newcomer: Newcomer,
) -> None:
    ann = newcomer().open()
    ann.troubled()
    ann.page.evaluate(
        """() => {
          document.body.insertAdjacentHTML('beforeend',
            '<p id="probe" style="color: rgb(1, 2, 3)"><img src=x onerror="window.hacked=1"></p>')
          const script = document.createElement('script')
          script.textContent = 'window.hacked = 1'
          document.body.append(script)
        }"""
    )
    expect(ann.page.locator("#probe")).not_to_have_css("color", "rgb(1, 2, 3)")
    assert ann.page.evaluate("window.hacked") is None


def test_the_page_cannot_be_framed_and_loads_nothing_from_elsewhere(newcomer: Newcomer) -> None:
    ann = newcomer()
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url))
    response = ann.page.goto("/")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    ann.start_chat()
    assert [url for url in asked if not url.startswith(ann.base)] == []
