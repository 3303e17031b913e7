"""The wire format: pure functions that build every object and frame of docs/protocol.md.

`…_object` and `user_dict` return what goes into an HTTP answer, `…_frame` the compact JSON text
of a WebSocket frame. A message looks the same in both.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from accounts.users import PublicUser, user_dict
from chat.rows import MessageRow

__all__ = [
    "ack_frame",
    "chat_frame",
    "error_frame",
    "left_frame",
    "members_frame",
    "message_frame",
    "message_frame_parts",
    "message_object",
    "presence_frame",
    "read_frame",
    "ready_frame",
    "reset_frame",
    "timestamp",
    "typing_frame",
    "user_dict",
]


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, always with six digits of a second, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def message_object(row: MessageRow) -> dict[str, Any]:
    """A message in a history page, as `last_message`, and in a frame."""
    return {
        "seq": row.seq,
        "id": row.id,
        "uri": row.uri,
        "user": user_dict(row.user),
        "message": row.text,
        "client_id": _text(row.client_id),
        "create_date": timestamp(row.create_date),
    }


def message_frame(row: MessageRow) -> str:
    return _frame("message", message_object(row))


def message_frame_parts(
    uri: str, user: PublicUser, text: str, client_id: uuid.UUID | None
) -> tuple[str, str, str, str]:
    """A message's frame, but for what its commit decides.

    Between the parts belong its `seq`, its `id`, and its time as `timestamp` writes it.
    """
    said = {"uri": uri, "user": user_dict(user), "message": text, "client_id": _text(client_id)}
    return '{"type":"message","seq":', ',"id":', f',{_encode(said)[1:-1]},"create_date":"', '"}'


def ready_frame(seq: int, epoch: str) -> str:
    return _frame("ready", {"seq": seq, "epoch": epoch})


def reset_frame(seq: int, epoch: str) -> str:
    return _frame("reset", {"seq": seq, "epoch": epoch})


def ack_frame(client_id: uuid.UUID | None, seq: int, message_id: int) -> str:
    return _frame("ack", {"client_id": _text(client_id), "seq": seq, "id": message_id})


def presence_frame(online: Iterable[PublicUser]) -> str:
    return _frame("presence", {"online": [user_dict(user) for user in online]})


def typing_frame(user: PublicUser) -> str:
    return _frame("typing", {"user": user_dict(user)})


def read_frame(user: PublicUser, seq: int) -> str:
    return _frame("read", {"user": user_dict(user), "seq": seq})


def members_frame(members: Iterable[PublicUser]) -> str:
    return _frame("members", {"members": [user_dict(user) for user in members]})


def error_frame(code: str, detail: str, client_id: uuid.UUID | str | None) -> str:
    return _frame("error", {"code": code, "detail": detail, "client_id": _text(client_id)})


def chat_frame(uri: str, last_message: MessageRow | None, last_seq: int, unread: int) -> str:
    return _frame(
        "chat",
        {
            "uri": uri,
            "last_message": None if last_message is None else message_object(last_message),
            "last_seq": last_seq,
            "unread": unread,
        },
    )


def left_frame(uri: str) -> str:
    return _frame("left", {"uri": uri})


# json.dumps() would make one for every frame.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _frame(kind: str, fields: dict[str, Any]) -> str:
    return _encode({"type": kind, **fields})


def _text(value: uuid.UUID | str | None) -> str | None:
    return None if value is None else str(value)
