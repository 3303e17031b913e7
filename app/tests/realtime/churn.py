"""What sockets cost a worker: `python -m tests.realtime.churn --sockets 20000 --idle 2000`.

Opens and closes sockets one after another and reports the worker's resident memory after the
first thousand and at the end, and what is left behind; then opens many that stay idle and
reports what each costs. Runs on the database that CHATIRE_DB_* names, which has to be migrated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
# A masked close frame with code 1000, masked with zeros.
CLOSE = b"\x88\x82\x00\x00\x00\x00\x03\xe8"
SETTLE_SECONDS = 12.0


def open_socket(port: int, path: str, token: str) -> socket.socket:
    """A raw WebSocket that has been told `ready`."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: chatire, jwt.{token}\r\n\r\n".encode()
    )
    data = b""
    while b'"ready"' not in data:
        chunk = raw.recv(65_536)
        if not chunk:
            raise ConnectionError(data)
        data += chunk
    return raw


def close_socket(raw: socket.socket) -> None:
    """Close it properly, and wait for the server's end."""
    raw.sendall(CLOSE)
    while raw.recv(65_536):
        pass
    raw.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--idle", type=int, default=1_000)
    parser.add_argument("--rooms", type=int, default=20)
    arguments = parser.parse_args()
    os.environ.setdefault("CHATIRE_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatire.settings.test")

    import django

    django.setup()

    from tests.people import make_person
    from tests.realtime.rooms import make_room
    from tests.realtime.waiting import query
    from tests.realtime.workers import Worker

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    person = make_person(f"churn-{time.time_ns()}")
    rooms = [make_room(person) for _ in range(arguments.rooms)]
    token = person.access or ""
    directory = tempfile.TemporaryDirectory()
    worker = Worker(Path(directory.name) / "worker.log")
    worker.wait_until_ready()
    result: dict[str, object] = {}
    try:
        began = time.monotonic()
        for number in range(1, arguments.sockets + 1):
            path = f"/ws/chats/{rooms[number % len(rooms)]}/"
            close_socket(open_socket(worker.port, path, token))
            if number % 1_000 == 0:
                result.setdefault("rss_at_1000", worker.rss())
                print(f"{number} sockets: {worker.rss() / 1e6:.1f} MB", file=sys.stderr)  # noqa: T201
        result["sockets"] = arguments.sockets
        result["sockets_per_second"] = round(arguments.sockets / (time.monotonic() - began))
        result["rss_at_end"] = worker.rss()
        time.sleep(SETTLE_SECONDS)
        result["rss_settled"] = worker.rss()
        result["left"] = {
            "sockets": worker.get("/readyz")[1]["sockets"],
            "rooms": worker.get("/readyz")[1]["rooms"],
            "connections": worker.connections(),
            "presence rows": query("SELECT count(*) FROM realtime_presence")[0][0],
            "group rows but the worker's own": query(
                "SELECT count(*) FROM channels_postgres_groupchannel"
                " WHERE group_key LIKE '%%:chat.%%'"
            )[0][0],
            "advisory locks": query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][
                0
            ],
        }
        before = worker.rss()
        idle = [
            open_socket(worker.port, f"/ws/chats/{rooms[number % len(rooms)]}/", token)
            for number in range(arguments.idle)
        ]
        time.sleep(3)
        result["idle_sockets"] = len(idle)
        result["bytes_an_idle_socket"] = round((worker.rss() - before) / max(1, len(idle)))
        for raw in idle:
            raw.close()
        print(json.dumps(result, indent=2))  # noqa: T201
    finally:
        worker.stop()
        directory.cleanup()


if __name__ == "__main__":
    main()
