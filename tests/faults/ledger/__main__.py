"""`python -m ledger --url http://localhost:8080`: steady traffic, counted, without any fault.

Exit status 0 when every count of a violation is zero, 1 when one is not, 2 when it could not run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path

from ledger.people import Refused
from ledger.report import table
from ledger.run import Ledger, Loop, gather
from ledger.traffic import Size


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=__doc__)
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--rooms", type=int, default=5)
    parser.add_argument("--clients", type=int, default=100, help="sockets in all")
    parser.add_argument("--people", type=int, default=8, help="accounts that share the sockets")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second in all")
    parser.add_argument("--settle", type=float, default=30.0, help="wait so long for the last")
    parser.add_argument("--psql", help="a command that takes SQL as its last argument")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    given = parser.parse_args()

    def query(sql: str) -> str:
        command = [*given.psql.split(), sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    loop = Loop()
    try:
        people = gather(loop, given.url, given.people)
        print(f"accounts: {people.prefix}", flush=True)
        ledger = Ledger(loop, people, Size(given.rooms, given.clients, given.rate))
        ledger.begin()
    except (Refused, TookTooLong, OSError) as error:
        print(f"ledger: {given.url} could not be used: {error!r}", file=sys.stderr)
        return 2
    ledger.remove(0)
    progress(ledger, given.seconds)
    ledger.settle(given.settle)
    result = ledger.judge(query if given.psql else None)
    ledger.close()
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result.json(), indent=1) + "\n")
    return 0 if result.verdict.clean else 1


def progress(ledger: Ledger, seconds: float) -> None:
    """Let time pass, and say how it goes: one line that changes on a terminal, else a few."""
    terminal = sys.stdout.isatty()
    until = time.monotonic() + seconds
    last = ""
    while (left := until - time.monotonic()) > 0:
        last = f"  {left:4.0f} s left · {ledger.line}"
        if terminal:
            print(f"\r\033[K{last}", end="", flush=True)
        time.sleep(min(left, 0.5 if terminal else 5.0))
        if not terminal:
            print(last, flush=True)
    if terminal:
        print("\r\033[K", end="")


if __name__ == "__main__":
    sys.exit(main())
