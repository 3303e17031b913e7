"""WebSocket worker processes, as production runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.db import connection

from tests.realtime.waiting import until

APP = Path(__file__).resolve().parents[2]
ORIGIN = "http://localhost:8080"


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Worker:
    """One `python -m realtime.server` (or another `module`) on the test database."""

    def __init__(self, log: Path, module: str = "realtime.server", **environ: str) -> None:
        self.log = log
        self.port = free_port()
        database = connection.settings_dict
        self._output = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--bind", f"127.0.0.1:{self.port}"],
            cwd=APP,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "CHATIRE_ENV": "test",
                "CHATIRE_TIER": "ws",
                "CHATIRE_DB_NAME": str(database["NAME"]),
                "CHATIRE_DB_HOST": str(database["HOST"]),
                "CHATIRE_DB_PORT": str(database["PORT"]),
                "CHATIRE_DB_USER": str(database["USER"]),
                "CHATIRE_DRAIN_SECONDS": "6",
                "CHATIRE_ORIGINS": ORIGIN,
                "CHATIRE_CORS_ORIGINS": "https://friend.example",
                **environ,
            },
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> None:
        until(lambda: self.get("/readyz")[0] == 200, f"{self.log} says ready")

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON body of a plain request; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, None

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()
        self._output.close()

    def terminate(self) -> None:
        """Tell it to stop, and return at once."""
        self.process.terminate()

    def stop(self) -> None:
        self._output.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def listener_pid(self) -> int:
        """The process id of this worker's LISTEN backend."""
        return until(lambda: query_listener(self.pid), "the worker listens")[0][0]

    def connections(self) -> int:
        """Established TCP connections of its clients, from the kernel's table."""
        table = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        established, local = "01", f":{self.port:04X}"
        rows = [line.split() for line in table]
        return sum(row[1].endswith(local) and row[3] == established for row in rows)

    def rss(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def log_size(self) -> int:
        return len(self.log_text())


def query_listener(pid: int) -> list[tuple[int]]:
    """LISTEN backends of the worker with this process id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'chatire-listen:%%' AND application_name LIKE %s",
            [f"%:{pid}"],
        )
        rows: list[tuple[int]] = cursor.fetchall()
    return rows
