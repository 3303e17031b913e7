"""What a flood calls the answers that it gets: a refusal that lacks something has another name."""

from __future__ import annotations

import json

import pytest

from breaking.flooder import Tally, name
from ledger.http import Answer

REFUSED = {"detail": "Too many.", "code": "throttled"}


def answer(status: int, body: object, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {key.replace("_", "-"): value for key, value in headers.items()}, raw)


def test_a_refusal_is_named_by_its_status_and_code() -> None:
    assert name(answer(429, REFUSED, retry_after="1")) == "429 throttled"


def test_what_was_done_is_named_by_its_status() -> None:
    assert name(answer(101, b"")) == "101"


@pytest.mark.parametrize(
    ("refusal", "called"),
    [
        (answer(429, REFUSED), "429 throttled without Retry-After"),
        (answer(429, REFUSED, retry_after="soon"), "429 throttled without Retry-After"),
        (answer(503, b"<html>", retry_after="1"), "503 b'<html>'"),
        (answer(503, {"code": "unavailable"}, retry_after="1"), '503 b\'{"code": "unavailable"}\''),
        (answer(503, REFUSED | {"detail": ""}, retry_after="1"), "503 throttled without detail"),
    ],
)
def test_one_that_lacks_something_is_not_mistaken_for_it(refusal: Answer, called: str) -> None:
    assert name(refusal) == called


def test_a_tally_keeps_the_longest_wait_of_each_answer() -> None:
    tally = Tally()
    for called, seconds in (("201", 0.1), ("201", 0.3), ("201", 0.2), ("429", 0.05)):
        tally.note("posts", called, seconds)
    assert tally.kinds == {"posts": {"201": (3, 0.3), "429": (1, 0.05)}}
