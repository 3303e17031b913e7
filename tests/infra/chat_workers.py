"""Which ws process serves which chat, read off the rows the processes keep about themselves.

A worker writes a presence row while a user has at least one of its sockets in a chat, so the row
that appears when a socket opens tells where that socket is held. Nothing is asked of nginx.
"""

from __future__ import annotations

from target import Node, Target


def workers(target: Target) -> dict[Node, str]:
    """The name of the worker that each ws node is.

    A worker tells its name with its readiness: its channel, `worker.<layer>!<random>`. That a
    connection of that layer listens is asserted, so that a node cannot pass for another.
    """
    names = {node: str(node.get("/readyz").json()["worker"]) for node in target.nodes("ws")}
    listening = {
        row[0].split(":")[2]
        for row in target.query(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE application_name LIKE 'chatire-listen:ws:%' AND datname = current_database()"
        )
    }
    told = {name.split("!")[0].rsplit(".", 1)[1] for name in names.values()}
    assert told == listening, f"{names} but {listening} listen"
    return names


def workers_serving(target: Target, uri: str) -> set[str]:
    """The names of the workers that hold a socket in a chat."""
    rows = target.query(
        "SELECT DISTINCT p.worker FROM realtime_presence p"
        f" JOIN chat_chat c ON c.id = p.chat_id WHERE c.uri = '{uri}'"
    )
    return {row[0] for row in rows}
