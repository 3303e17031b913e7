"""The ledger as a program beside a test: started, stopped, and its result asserted.

Needs the standard library alone, so that suites without the ledger's own requirements can use it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where images install bench/requirements.txt, which are the ledger's requirements as well.
PYTHON = "/opt/bench/bin/python"
FOLDER = Path(__file__).resolve().parents[1]

# Lines that the program prints: whose accounts are to be removed, and that traffic goes on.
ACCOUNTS = "accounts: "
RUNNING = "running"

# Signing up and opening sockets on a busy machine; the program itself gives up later.
START_SECONDS = 120.0
# Settling and reading the history back.
END_SECONDS = 120.0
# Exit statuses of a run that was judged.
JUDGED = (0, 1)


@dataclass(frozen=True)
class Count:
    """What a ledger that has ended wrote to its JSON file."""

    told: dict[str, Any]

    @property
    def sockets(self) -> int:
        return int(self.told["clients"])

    @property
    def cuts(self) -> dict[str, int]:
        """Members' sockets that ended, by close code; 1006 where no close frame came."""
        return dict(self.told["cuts"])

    @property
    def away(self) -> dict[str, float]:
        """Seconds from a socket's end to the next one's readiness: count, p50, p95, max."""
        return dict(self.told["figures"]["away"])

    @property
    def violations(self) -> dict[str, int]:
        """By kind, those that occurred."""
        return {
            kind: count
            for kind, count in self.told["violations"].items()
            if kind != "examples" and count
        }

    @property
    def failed_posts(self) -> dict[str, int]:
        """Tries over HTTP that came to nothing, by what was answered, although repeated since."""
        return {why: count for why, count in self.told["retried"].items() if why.startswith("http")}

    def expect_clean(self, truth: str, patience: float) -> None:
        """Nothing wrong by this truth; no post failed, not once, or took longer than patience."""
        assert self.told["truth"] == truth, self
        assert self.told["acked"], f"nothing was sent\n{self}"
        assert not self.violations, f"{self.violations}\n{self}"
        assert not self.failed_posts, f"posts failed: {self.failed_posts}\n{self}"
        assert not self.told["resent"], f"requests went out on closing connections\n{self}"
        assert not self.told["resets"], f"readers were told to start over\n{self}"
        assert self.told["figures"]["acked"]["max"] <= patience, f"a post took too long\n{self}"

    def __str__(self) -> str:
        return json.dumps(self.told, indent=1)


class Beside:
    """A ledger that runs; `count` is there once it has been stopped."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "ledger.log"
        self.json = folder / "ledger.json"

    def said(self) -> str:
        return self.log.read_text()

    @property
    def prefix(self) -> str:
        """The beginning of its accounts' names; empty before they are made."""
        lines = self.said().splitlines()
        return next((x.removeprefix(ACCOUNTS) for x in lines if x.startswith(ACCOUNTS)), "")

    @property
    def running(self) -> bool:
        return RUNNING in self.said().splitlines()

    @property
    def count(self) -> Count:
        return Count(json.loads(self.json.read_text()))


@contextmanager
def counting(folder: Path, *options: str, python: str = PYTHON) -> Iterator[Beside]:
    """Traffic that is counted as long as the block lasts; options are the program's own.

    Raises AssertionError with what the program said when it does not begin or does not judge.
    """
    beside = Beside(folder)
    beside.json.unlink(missing_ok=True)
    command = [python, "-m", "ledger", "--until-stopped", f"--json={beside.json}", *options]
    with (
        beside.log.open("w") as log,
        subprocess.Popen(command, cwd=FOLDER, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _begun(beside, process)
            yield beside
            # Before it is asked to: a ledger that died on the way has counted half of it.
            assert process.poll() is None, f"the ledger ended by itself:\n{beside.said()}"
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            finally:
                process.kill()
        assert process.returncode in JUDGED, f"no verdict:\n{beside.said()}"


def _begun(beside: Beside, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not beside.running:
        assert process.poll() is None, f"the ledger did not begin:\n{beside.said()}"
        assert time.monotonic() < deadline, f"not within {START_SECONDS:g} s:\n{beside.said()}"
        time.sleep(0.1)
