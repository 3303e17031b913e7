"""Frames from clients: JSON objects with a known type, or the socket is closed with 4400."""

import json
from typing import Any

from realtime.closing import BAD_FRAME, Close


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(text: str | None) -> dict[str, Any]:
    """Return the frame's object, with its `type` filled in; raises Close.

    `text` is None for a binary frame. A frame that has a `message` and no type is a message.
    """
    if text is None:
        raise Close(BAD_FRAME, "binary frames are not understood")
    try:
        frame = _decoder.decode(text)
    except (ValueError, RecursionError):
        # ValueError covers bad JSON, NaN, and integers of thousands of digits.
        raise Close(BAD_FRAME, "not JSON") from None
    if not isinstance(frame, dict):
        raise Close(BAD_FRAME, "not a JSON object")
    if "type" not in frame and "message" in frame:
        frame["type"] = "message"
    if not isinstance(frame.get("type"), str):
        raise Close(BAD_FRAME, "unknown type")
    return frame
