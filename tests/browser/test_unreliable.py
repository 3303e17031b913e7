"""Networks that break, servers that die, tokens that run out: nothing is lost, nothing doubled."""

from __future__ import annotations

import base64
import json
import re

import pytest
import stack
from person import Newcomer, Person
from playwright.sync_api import Route, expect

Talk = tuple[Person, Person]

LOST = "Connection lost. Reconnecting…"
BACK = "Connected again."


def test_a_reload_shows_the_same_talk(talk: Talk) -> None:
    ann, bob = talk
    ann.say("one")
    bob.sees("one")
    bob.say("two")
    ann.sees("two")
    ann.page.reload()
    ann.is_live()
    ann.sees_exactly(["one", "two"])


def test_half_a_message_survives_a_reload(talk: Talk) -> None:
    ann, _ = talk
    ann.field().fill("half a thou")
    ann.page.reload()
    expect(ann.field()).to_have_value("half a thou")


def test_offline_and_back_with_messages_of_both_sides_meanwhile(talk: Talk) -> None:
    ann, bob = talk
    ann.say("before")
    bob.sees("before")
    ann.troubled()
    ann.context.set_offline(True)
    expect(ann.page.get_by_text(LOST)).to_be_visible()
    bob.say("bob 1 meanwhile")
    bob.sees("bob 1 meanwhile")
    ann.say("ann 1 offline")
    ann.say("ann 2 offline")
    expect(ann.message("ann 2 offline")).to_be_visible()
    bob.say("bob 2 meanwhile")
    bob.sees_exactly(["before", "bob 1 meanwhile", "bob 2 meanwhile"])
    ann.context.set_offline(False)
    expect(ann.page.get_by_text(BACK)).to_be_visible(timeout=30_000)
    whole = ["before", "bob 1 meanwhile", "bob 2 meanwhile", "ann 1 offline", "ann 2 offline"]
    for person in talk:
        person.sees_exactly(whole)


def test_who_joins_while_one_is_offline_is_there_when_one_is_back(newcomer: Newcomer) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    path = ann.open().start_chat()
    ann.troubled()
    ann.context.set_offline(True)
    expect(ann.page.get_by_text(LOST)).to_be_visible()
    bob.open(path).is_live()
    ann.context.set_offline(False)
    expect(ann.page.get_by_text("2 members, 2 online")).to_be_visible(timeout=30_000)
    expect(ann.page.get_by_role("heading", level=1)).to_have_text(bob.name)


def test_what_was_not_sent_goes_with_the_one_who_signs_out(newcomer: Newcomer) -> None:
    ann = newcomer("ann")
    ann.open().start_chat()
    ann.troubled()
    ann.context.route("**/api/chats/*/messages/", _abort_posts)
    ann.context.route_web_socket("**/ws/chats/**", lambda socket: socket.close())
    ann.page.reload()
    ann.say("never sent")
    expect(ann.message("never sent").get_by_text("Not delivered")).to_be_visible()
    ann.page.get_by_role("link", name="Back to your chats").click()
    ann.page.get_by_role("button", name="Account and settings").click()
    ann.page.get_by_role("button", name="Sign out", exact=True).click()
    expect(ann.page).to_have_url(re.compile("/auth$"))
    # The chat that was left would have tried again by now, and kept it.
    ann.page.wait_for_timeout(4_000)
    kept = ann.page.evaluate("Object.values(localStorage).join()")
    assert "never sent" not in kept


def test_why_a_message_was_not_sent_is_seen_without_scrolling(newcomer: Newcomer) -> None:
    phone = {"width": 360, "height": 640}
    ann = newcomer("ann", viewport=phone, is_mobile=True, has_touch=True)
    ann.open().start_chat()
    for number in range(12):
        ann.say(f"line {number}")
    # One still under way would be told as not sent, and the next would only wait behind it.
    ann.has_sent("line 11")
    ann.troubled()
    ann.context.set_offline(True)
    ann.say("written offline")
    retry = ann.message("written offline").get_by_role("button", name="Retry")
    expect(retry).to_be_in_viewport(ratio=1)
    expect(ann.page.get_by_role("button", name="Jump to newest")).to_be_hidden()


def test_a_message_written_offline_survives_a_reload_and_is_sent_once(talk: Talk) -> None:
    ann, bob = talk
    ann.troubled()
    # The page itself must load: only what the chat needs is cut off.
    ann.context.route("**/api/chats/*/messages/", _abort_posts)
    ann.context.route_web_socket("**/ws/**", lambda socket: socket.close())
    ann.page.reload()
    ann.sees_exactly([])
    ann.say("written while cut off")
    failed = ann.message("written while cut off")
    expect(failed.get_by_text("Not delivered")).to_be_visible()
    ann.page.reload()
    expect(ann.message("written while cut off")).to_be_visible()
    # While still cut off: once it can, the page sends by itself, and there is no button any more.
    ann.message("written while cut off").get_by_role("button", name="Retry").click()
    ann.context.unroute("**/api/chats/*/messages/")
    bob.sees_exactly(["written while cut off"])
    ann.sees_exactly(["written while cut off"])
    expect(ann.message("written while cut off").get_by_text("Not delivered")).to_be_hidden()


def _abort_posts(route: Route) -> None:
    if route.request.method == "POST":
        route.abort()
    else:
        route.continue_()


def test_where_no_socket_gets_through_messages_go_and_come_over_http(
    newcomer: Newcomer,
) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    path = ann.open().start_chat()
    bob.troubled()
    bob.context.route_web_socket("**/ws/**", lambda socket: socket.close())
    bob.open(path)
    bob.say("over http")
    ann.sees_exactly(["over http"])
    ann.say("answer")
    bob.sees_exactly(["over http", "answer"])


@pytest.mark.disruptive
def test_each_ws_replica_is_killed_and_both_see_everything_once_and_in_order(talk: Talk) -> None:
    replicas = stack.replicas("ws")
    if not replicas:
        pytest.skip("no container engine: there is no replica to kill from here")
    for person in talk:
        person.troubled()
    said: list[str] = []

    def exchange(when: str) -> None:
        for person in talk:
            text = f"{person.name} {when}"
            person.say(text)
            said.append(text)
            for one in talk:
                one.sees(text)

    exchange("at first")
    for number, replica in enumerate(replicas):
        stack.kill_process(replica)
        exchange(f"after {number} was killed")
        for person in talk:
            person.is_live()
    exchange("at last")
    for person in talk:
        person.sees_exactly(said)


def lifetime_of(token: str) -> int:
    """The seconds an access token is good for."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(claims["exp"]) - int(claims["iat"])


def test_the_access_token_is_renewed_during_a_talk_on_the_open_socket(newcomer: Newcomer) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    ann.page.clock.install()
    sockets: list[str] = []
    frames: list[str] = []
    renewals: list[str] = []

    def opened(socket) -> None:  # type: ignore[no-untyped-def]
        sockets.append(socket.url)
        socket.on("framesent", lambda data: frames.append(str(data)))

    ann.page.on("websocket", opened)
    path = ann.open().start_chat()
    bob.open(path).is_live()
    ann.page.on("request", lambda request: renewals.append(request.url))
    before = len(sockets)
    ann.page.clock.fast_forward((lifetime_of(ann.token()) - 10) * 1000)
    expect_soon(ann, lambda: any('"auth"' in frame for frame in frames))
    assert any(url.endswith("/auth/jwt/refresh/") for url in renewals)
    ann.say("with a new token")
    bob.sees("with a new token")
    assert len(sockets) == before


def expect_soon(person: Person, holds) -> None:  # type: ignore[no-untyped-def]
    """Waits, while the page goes on, until something holds."""
    for _ in range(100):
        if holds():
            return
        person.page.wait_for_timeout(100)
    raise AssertionError("it did not come to hold within 10 s")


# Long enough to say something before it is over.
SHORT_LIFE_SECONDS = 15


def test_a_talk_goes_on_when_the_access_token_has_run_out(newcomer: Newcomer) -> None:
    ann, bob = newcomer("ann"), newcomer("bob")
    path = bob.open().start_chat()
    ann.troubled()
    renewals = {"get through": True}

    def refreshed(route: Route) -> None:
        if not renewals["get through"]:
            route.abort()
            return
        renewals["get through"] = False
        response = route.fetch()
        body = response.json()
        body["access"] = stack.shortened(body["access"], SHORT_LIFE_SECONDS)
        route.fulfill(response=response, json=body)

    closed: list[str] = []
    ann.page.on("websocket", lambda socket: socket.on("close", lambda _: closed.append(socket.url)))
    ann.context.route("**/auth/jwt/refresh/", refreshed)
    ann.open(path).is_live()
    ann.say("at first")
    bob.sees("at first")
    # The server closes the socket when the token is over, and no renewal gets through.
    expect(ann.page.get_by_text(LOST)).to_be_visible(timeout=(SHORT_LIFE_SECONDS + 15) * 1000)
    assert any("/ws/chats/" in url for url in closed)
    ann.say("written while the token was over")
    bob.say("bob meanwhile")
    bob.sees("bob meanwhile")
    ann.context.unroute("**/auth/jwt/refresh/")
    expect(ann.page.get_by_text(BACK)).to_be_visible(timeout=60_000)
    for person in (ann, bob):
        person.sees_exactly(["at first", "bob meanwhile", "written while the token was over"])
