"""What is stored: read through psql where the database's container is at hand, else over HTTP."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeVar

from ledger.people import Person
from ledger.verdict import Row

T = TypeVar("T")
Query = Callable[[str], str]
Source = Literal["database", "api"]

# A table of a long run is read in seconds; a database that hangs is none that can be reached.
QUERY_SECONDS = 60.0

# One line of JSON a message: texts may hold whatever separates columns.
SQL = """
SELECT json_build_array(c.uri, m.seq, m.id, m.client_id, m.text, extract(epoch FROM m.create_date))
FROM chat_message m JOIN chat_chat c ON c.id = m.chat_id
WHERE c.uri IN ({uris}) ORDER BY c.uri, m.seq
"""


def at_hand(judge: Callable[[Query | None], T], psql: str | None) -> T:
    """Judge by the database where this command reaches it; else by the API: `judge(None)`."""
    if psql is None:
        return judge(None)
    command = shlex.split(psql)

    def query(sql: str) -> str:
        return subprocess.run(
            [*command, sql], check=True, capture_output=True, text=True, timeout=QUERY_SECONDS
        ).stdout

    try:
        return judge(query)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"ledger: no database, asking the API: {error!r}", file=sys.stderr)
    return judge(None)


def by_sql(query: Query, uris: list[str]) -> dict[str, list[Row]]:
    """Read the rooms' messages with a function that runs SQL and returns what psql -At prints."""
    rooms: dict[str, list[Row]] = {uri: [] for uri in uris}
    quoted = ", ".join(f"'{uri}'" for uri in uris)
    for line in query(SQL.format(uris=quoted)).splitlines():
        uri, seq, identity, client_id, text, at = json.loads(line)
        rooms[uri].append(Row(seq, identity, client_id, text, float(at)))
    return rooms


async def by_http(reader: Person, uris: list[str]) -> dict[str, list[Row]]:
    """Read them page by page, as a member."""
    rooms: dict[str, list[Row]] = {uri: [] for uri in uris}
    for uri, rows in rooms.items():
        more = True
        while more:
            after = rows[-1].seq if rows else 0
            page = await reader.persist(
                "GET", f"/api/chats/{uri}/messages/?after={after}&limit=200"
            )
            rows += [
                Row(
                    row["seq"],
                    row["id"],
                    row["client_id"],
                    row["message"],
                    datetime.fromisoformat(row["create_date"]).timestamp(),
                )
                for row in page["messages"]
            ]
            more = page["has_more"]
    return rooms
