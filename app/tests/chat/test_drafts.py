"""The rules for what clients send, with inputs that nobody thinks of."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.drafts import (
    MAX_SEQ,
    MAX_TEXT_LENGTH,
    Refused,
    check_client_id,
    check_draft,
    check_seq,
    check_text,
)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=["L", "N", "P", "Z", "C", "S"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(anything)
def test_what_is_let_through_can_be_stored_and_sent(value: object) -> None:
    try:
        text = check_text(value)
    except Refused as refusal:
        assert refusal.field == "message"
        return
    assert text == value
    assert 0 < len(text) <= MAX_TEXT_LENGTH
    assert text.strip()
    assert "\x00" not in text
    assert json.loads(json.dumps(text).encode("utf-8")) == text


@given(anything)
def test_no_client_id_and_no_seq_raises_anything_but_a_refusal(value: object) -> None:
    for check in (check_client_id, check_seq):
        try:
            check(value)
        except Refused as refusal:
            assert refusal.detail


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1))
def test_ordinary_text_is_let_through_unchanged(text: str) -> None:
    if text.strip() and len(text) <= MAX_TEXT_LENGTH:
        assert check_text(text) == text


@given(st.uuids(), st.booleans(), st.booleans())
def test_every_uuid_is_let_through(value: uuid.UUID, upper: bool, short: bool) -> None:
    text = value.hex if short else str(value)
    assert check_client_id(text.upper() if upper else text) == value


@pytest.mark.parametrize("length", [MAX_TEXT_LENGTH, MAX_TEXT_LENGTH + 1])
def test_length_is_counted_in_code_points(length: int) -> None:
    text = "\U0001f600" * length
    if length <= MAX_TEXT_LENGTH:
        assert check_draft(text, None).text == text
    else:
        with pytest.raises(Refused, match="2001"):
            check_draft(text, None)


@pytest.mark.parametrize(
    ("seq", "good"), [(0, True), (MAX_SEQ, True), (-1, False), (MAX_SEQ + 1, False)]
)
def test_a_seq_fits_its_column(seq: int, good: bool) -> None:
    if good:
        assert check_seq(seq) == seq
    else:
        with pytest.raises(Refused):
            check_seq(seq)
