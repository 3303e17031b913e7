"""Log lines."""

from __future__ import annotations

import logging

from ops.logs import LineFormatter


def test_an_entry_is_one_line_even_with_a_traceback() -> None:
    try:
        raise ValueError("first\nsecond\rthird")
    except ValueError as error:
        record = logging.LogRecord(
            "name", logging.ERROR, __file__, 1, "went\nwrong", None, (type(error), error, None)
        )
    line = LineFormatter().format(record)
    assert "\n" not in line
    assert "\r" not in line
    assert "went\\nwrong" in line
    assert "first\\nsecond\\rthird" in line


def test_times_are_utc_with_milliseconds() -> None:
    record = logging.LogRecord("name", logging.INFO, __file__, 1, "hi", None, None)
    record.created, record.msecs = 0.0, 5.0
    assert LineFormatter().format(record) == "1970-01-01T00:00:00.005Z INFO name hi"
