"""A stored message, as the SQL of both tiers selects it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from accounts.users import USER_COLUMNS, UserRow

# In the order that `message_row` reads. For a query that joins chat_message as `m`,
# chat_chat as `c` and auth_user as `u`.
MESSAGE_COLUMNS = f"""
m.chat_id, c.uri, m.id, m.seq, m.text, m.client_id, m.create_date, {USER_COLUMNS}
"""
MESSAGE_WIDTH = 11


class MessageRow(NamedTuple):
    """One message with everything that an answer or a frame says about it."""

    chat_id: int
    uri: str
    id: int
    seq: int
    text: str
    client_id: uuid.UUID | None
    create_date: datetime
    user: UserRow


def message_row(columns: Sequence[Any]) -> MessageRow:
    """A MessageRow of the columns MESSAGE_COLUMNS."""
    return MessageRow._make([*columns[:7], UserRow(*columns[7:MESSAGE_WIDTH])])
