"""WebSocket workers that start in a fifth of a second and fail on demand.

`python -m tests.realtime.promises.nursery` imports the application once and forks a worker for
each order on its standard input. A worker is the production server, with shorter beats, small
buffers (so that a slow reader is one after kilobytes) and three faults that a file switches on:
`<port>.lose` loses the next batch of hints, `<port>.die` ends the process between the commit of
the next message and everything that follows it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.db import connection

APP = Path(__file__).resolve().parents[3]

# The two ticks that find what was lost: their period is the time a run waits for them.
ROOM_TICK_SECONDS = 0.4
ACCESS_TICK_SECONDS = 0.8
# The kernel holds megabytes for a reader otherwise.
SEND_BUFFER_BYTES = 8_192


class NurseryWorker:
    """One worker, by its port."""

    def __init__(self, directory: Path, port: int, pid: int) -> None:
        self.directory, self.port, self.pid = directory, port, pid

    def readiness(self) -> dict[str, Any]:
        """What /readyz says; nothing when nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=5
            ) as answer:
                facts: dict[str, Any] = json.load(answer)
                return facts
        except urllib.error.HTTPError as error:
            error.close()
            return {}
        except OSError:
            return {}

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 10
        while not self.readiness():
            assert time.monotonic() < end, self.log_text()
            time.sleep(0.02)

    def lose_the_next_hints(self) -> None:
        (self.directory / f"{self.port}.lose").touch()

    def die_after_the_next_commit(self) -> None:
        (self.directory / f"{self.port}.die").touch()

    def kill(self) -> None:
        """End it without a chance to say goodbye, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def log_text(self) -> str:
        return (self.directory / f"{self.port}.log").read_text()


class Nursery:
    """The process that forks workers. `mutant` names a way to break them (mutants.py)."""

    def __init__(self, directory: Path, mutant: str = "") -> None:
        self.directory = directory
        self._mutant = mutant
        database = connection.settings_dict
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.realtime.promises.nursery"],
            cwd=APP,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "CHATIRE_ENV": "test",
                "CHATIRE_TIER": "ws",
                "DJANGO_SETTINGS_MODULE": "chatire.settings.test",
                "CHATIRE_DB_NAME": str(database["NAME"]),
                "CHATIRE_DB_HOST": str(database["HOST"]),
                "CHATIRE_DB_PORT": str(database["PORT"]),
                "CHATIRE_DB_USER": str(database["USER"]),
                "CHATIRE_WS_OUTBOX_BYTES": "65536",
                "CHATIRE_DRAIN_SECONDS": "2",
            },
        )

    def spawn(self) -> NurseryWorker:
        """A new worker, ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # What one who had this port before was to suffer.
        for fault in ("lose", "die"):
            (self.directory / f"{port}.{fault}").unlink(missing_ok=True)
        order = {"port": port, "directory": str(self.directory), "mutant": self._mutant}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        worker = NurseryWorker(self.directory, port, int(self._process.stdout.readline()))
        worker.wait_until_ready()
        return worker

    def close(self) -> None:
        """End it; its workers end with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


# -- the nursery's own process ----------------------------------------------------------------


def main() -> None:
    """Fork a worker for each order, and kill them all at the end of the orders."""
    import django

    django.setup()

    for module in ("chatire.asgi", "realtime.server"):
        importlib.import_module(module)

    # The kernel reaps what ends.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _serve(json.loads(line))
        children.append(pid)
        print(pid, flush=True)  # noqa: T201
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _serve(order: dict[str, Any]) -> None:
    """The child: never returns."""
    from realtime import server
    from tests.realtime.promises import mutants

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    directory, port = Path(order["directory"]), order["port"]
    output = os.open(directory / f"{port}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    _prepare(directory, port)
    if order["mutant"]:
        mutants.MUTANTS[order["mutant"]].break_it()
    sys.argv = ["server", "--bind", f"127.0.0.1:{port}"]
    os._exit(server.main())


def _prepare(directory: Path, port: int) -> None:
    """Shorten beats and buffers, and lay the faults."""
    from chat import actions
    from realtime import hub, ticks
    from realtime.wire import WireProtocol

    ticks.ROOM_TICK_SECONDS = ROOM_TICK_SECONDS
    ticks.ACCESS_TICK_SECONDS = ACCESS_TICK_SECONDS

    connection_made = WireProtocol.connection_made

    def small_buffer(self: WireProtocol, transport: Any) -> None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection_made(self, transport)

    send_hints = hub.Hub._send_hints
    lose, die = directory / f"{port}.lose", directory / f"{port}.die"

    async def send_or_lose(self: hub.Hub, batch: Any) -> None:
        if lose.exists():
            lose.unlink()
        else:
            await send_hints(self, batch)

    apost_message = actions.apost_message

    async def post_or_die(
        db: Any, uri: str, user: Any, draft: Any, tell: bool = False
    ) -> actions.Posted:
        # A hint that goes out with the commit is not lost, and nobody dies between the two.
        tell = tell and not lose.exists() and not die.exists()
        posted = await apost_message(db, uri, user, draft, tell)
        if die.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return posted

    apost_together = actions.apost_together

    async def post_together_or_die(*arguments: Any) -> list[actions.Posted | None]:
        posted = await apost_together(*arguments)
        if die.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return posted

    setattr(WireProtocol, "connection_made", small_buffer)  # noqa: B010
    setattr(hub.Hub, "_send_hints", send_or_lose)  # noqa: B010
    setattr(actions, "apost_message", post_or_die)  # noqa: B010
    setattr(actions, "apost_together", post_together_or_die)  # noqa: B010


if __name__ == "__main__":
    main()
