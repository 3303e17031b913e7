"""`python -m ledger --url http://localhost:8080`: steady traffic, counted, without any fault.

SIGTERM and SIGINT end it early: it stops posting, waits for what is under way, and judges.
Exit status 0 when messages were counted and every count of a violation is zero, 1 when not, 2 when
it could not run or could not judge.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path

from ledger.beside import ACCOUNTS, RUNNING
from ledger.http import Untrusted
from ledger.people import Refused
from ledger.report import table
from ledger.run import BEGIN_SECONDS, Ledger, Loop, gather
from ledger.told import Told
from ledger.traffic import Size
from ledger.truth import at_hand

# How soon a signal is noticed.
LOOK_SECONDS = 0.1


def main() -> int:
    given = arguments()
    loop = Loop()
    try:
        people = gather(loop, given.url, given.people, given.ca)
        print(f"{ACCOUNTS}{people.prefix}", flush=True)
        ledger = Ledger(loop, people, Size(given.rooms, given.clients, given.rate))
        ledger.begin()
    except (Refused, Untrusted, TookTooLong, OSError) as error:
        print(f"ledger: {given.url} could not be used: {error!r}", file=sys.stderr)
        return 2
    told = Told()
    ledger.remove(0)
    await_first(ledger, told)
    print(RUNNING, flush=True)
    progress(ledger, math.inf if given.until_stopped else given.seconds, told)
    told.forget()
    ledger.settle(given.settle)
    try:
        result = at_hand(ledger.judge, given.psql)
    except (Refused, Untrusted, TookTooLong) as error:
        print(f"ledger: what is stored could not be read: {error!r}", file=sys.stderr)
        return 2
    ledger.close()
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result.json(), indent=1) + "\n")
    return 0 if result.clean else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=__doc__)
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--ca", help="a file of CAs (PEM) to trust instead of the system's")
    parser.add_argument("--rooms", type=int, default=5)
    parser.add_argument("--clients", type=int, default=100, help="sockets in all")
    parser.add_argument("--people", type=int, default=8, help="accounts that share the sockets")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=20.0)
    length.add_argument("--until-stopped", action="store_true", help="go on until a signal")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second in all")
    parser.add_argument("--settle", type=float, default=30.0, help="wait so long for the last")
    parser.add_argument(
        "--psql",
        help="a command that takes SQL as its last argument, as psql -Atqc;"
        " without it, or where it fails, the API's history is what counts as stored",
    )
    parser.add_argument("--json", type=Path, help="write the result to this file")
    return parser.parse_args()


def await_first(ledger: Ledger, told: Told) -> None:
    """Until a message is acknowledged: whoever stops it right afterwards has counted something."""
    until = time.monotonic() + BEGIN_SECONDS
    while not (ledger.acked or told) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def progress(ledger: Ledger, seconds: float, told: Told) -> None:
    """Let time pass, and say how it goes: one line that changes on a terminal, else a few."""
    terminal = sys.stdout.isatty()
    until = time.monotonic() + seconds
    say_at = 0.0
    while (left := until - time.monotonic()) > 0 and not told:
        if time.monotonic() >= say_at:
            say_at = time.monotonic() + (0.5 if terminal else 5.0)
            rest = f"{left:4.0f} s left · " if math.isfinite(left) else ""
            line = f"  {rest}{ledger.line}"
            print(*(["\r\033[K", line] if terminal else [line, "\n"]), sep="", end="", flush=True)
        time.sleep(min(left, LOOK_SECONDS))
    if terminal:
        print("\r\033[K", end="")


if __name__ == "__main__":
    sys.exit(main())
