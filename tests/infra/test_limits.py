"""Limits that a brute-forcer meets and an ordinary chat never does. Driven last, and just far
enough: from here on this address waits a second for its next sign-up, as does a run that follows.
"""

from __future__ import annotations

import httpx
import pytest

from chat_client import TOO_MANY, Chat, told
from conftest import People

# What docs/protocol.md promises never to be refused for one address in a minute.
SIGN_UPS = 60
# Room for a burst on top: a limit that is not met by then protects nobody.
FAR_ENOUGH = 6 * SIGN_UPS


@pytest.fixture(scope="module")
def sign_ups(chat: Chat) -> list[httpx.Response]:
    """Sign-ups without a password, which cost the server nothing, up to the first refusal."""
    answers = []
    for _ in range(FAR_ENOUGH):
        answers.append(chat.http.post("/auth/users/", json={}))
        if answers[-1].status_code == TOO_MANY:
            break
    return answers


def test_sign_ups_are_limited(sign_ups: list[httpx.Response]) -> None:
    assert sign_ups[-1].status_code == TOO_MANY, f"{len(sign_ups)} sign-ups in a row went through"


def test_a_refusal_says_when_to_come_back(sign_ups: list[httpx.Response]) -> None:
    refusal = sign_ups[-1]
    assert refusal.headers["Content-Type"].startswith("application/json"), told(refusal)
    assert refusal.json()["code"] == "throttled", told(refusal)
    assert refusal.json()["detail"], told(refusal)
    assert int(refusal.headers["Retry-After"]) > 0, told(refusal)


def test_whoever_comes_back_when_told_gets_in(
    sign_ups: list[httpx.Response], people: People
) -> None:
    """Or a second run within the minute would fail for what the first has done."""
    assert sign_ups[-1].status_code == TOO_MANY
    assert people.newcomer("patient").access


def test_nothing_else_is_held_up_by_it(sign_ups: list[httpx.Response], chat: Chat) -> None:
    assert sign_ups[-1].status_code == TOO_MANY
    assert chat.http.get("/api/chats/").status_code == 401
    assert chat.http.get("/healthz").status_code == 200
