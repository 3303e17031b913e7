"""The wire format, held against docs/protocol.md word by word."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

from accounts.users import UserRow
from chat import events
from chat.rows import MessageRow

ALICE = UserRow(7, "alice", "Alice", "Liddell")
CLIENT_ID = uuid.UUID("AB345678-1234-1234-1234-123456789ABC")
ROW = MessageRow(
    chat_id=3,
    uri="u",
    id=345,
    seq=12,
    text='a "b" 日本',
    client_id=CLIENT_ID,
    create_date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    user=ALICE,
)
ALICE_OBJECT = {"id": 7, "username": "alice", "first_name": "Alice", "last_name": "Liddell"}
ROW_OBJECT = {
    "seq": 12,
    "id": 345,
    "uri": "u",
    "user": ALICE_OBJECT,
    "message": 'a "b" 日本',
    "client_id": "ab345678-1234-1234-1234-123456789abc",
    "create_date": "2026-01-02T03:04:05.000000Z",
}


def test_a_message_is_the_same_object_everywhere() -> None:
    assert events.message_object(ROW) == ROW_OBJECT
    assert json.loads(events.message_frame(ROW)) == {"type": "message", **ROW_OBJECT}
    frame = json.loads(events.chat_frame("u", ROW, 12, 3))
    assert frame["last_message"] == ROW_OBJECT


def test_every_frame_has_the_fields_of_the_protocol() -> None:
    frames = {
        events.ready_frame(12, "e"): {"type": "ready", "seq": 12, "epoch": "e"},
        events.reset_frame(12, "e"): {"type": "reset", "seq": 12, "epoch": "e"},
        events.ack_frame(None, 12, 345): {"type": "ack", "client_id": None, "seq": 12, "id": 345},
        events.presence_frame([ALICE]): {"type": "presence", "online": [ALICE_OBJECT]},
        events.typing_frame(ALICE): {"type": "typing", "user": ALICE_OBJECT},
        events.read_frame(ALICE, 12): {"type": "read", "user": ALICE_OBJECT, "seq": 12},
        events.members_frame([ALICE]): {"type": "members", "members": [ALICE_OBJECT]},
        events.error_frame("c", "d", "x"): {
            "type": "error",
            "code": "c",
            "detail": "d",
            "client_id": "x",
        },
        events.chat_frame("u", None, 0, 0): {
            "type": "chat",
            "uri": "u",
            "last_message": None,
            "last_seq": 0,
            "unread": 0,
        },
        events.left_frame("u"): {"type": "left", "uri": "u"},
    }
    for frame, expected in frames.items():
        assert json.loads(frame) == expected


def test_a_frame_is_compact_and_in_one_line() -> None:
    frame = events.message_frame(ROW._replace(text="a\nb\u2028c"))
    assert "\n" not in frame
    assert ", " not in frame
    assert '": ' not in frame
    assert "日本" in events.message_frame(ROW)


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    there = datetime(2026, 1, 2, 5, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    assert events.timestamp(there) == "2026-01-02T03:04:05.000006Z"
