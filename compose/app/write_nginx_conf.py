"""Writes nginx.conf for the slots of both tiers that are held just now.

`write_nginx_conf.py [--without TIER/SLOT …]`: a slot is held when something listens on its
socket; those named are left out, because their replica is about to go. The file is replaced in
one step, and only when it differs, so that nginx never reads half of one.

Prints what it found; exit status 1 with one line on standard error when a tier has no replica
or the description is refused.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

SOCKETS = Path("/run/chatire")
CONF = Path("/var/lib/chatire/nginx/nginx.conf")
TIERS = {"http": "CHATIRE_HTTP_SERVERS", "ws": "CHATIRE_WS_SERVERS"}


def listens(path: Path) -> bool:
    """Whether a process accepts connections on this socket; a dead one's file does not count."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def held(tier: str) -> list[int]:
    """The slots of a tier, lowest first."""
    found = (re.fullmatch(r"([0-9]+)\.sock", path.name) for path in (SOCKETS / tier).iterdir())
    slots = sorted(int(match[1]) for match in found if match)
    return [slot for slot in slots if listens(SOCKETS / tier / f"{slot}.sock")]


def generate(slots: dict[str, list[int]]) -> str:
    """The configuration for these slots. Raises subprocess.CalledProcessError."""
    servers = {
        TIERS[tier]: ",".join(f"unix:{SOCKETS}/{tier}/{slot}.sock" for slot in slots[tier])
        for tier in TIERS
    }
    command = [sys.executable, "-m", "nginxgen", "--env"]
    return subprocess.run(
        command, env=os.environ | servers, check=True, text=True, capture_output=True
    ).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without", nargs="*", default=[], metavar="TIER/SLOT")
    leaving = set(parser.parse_args().without)
    slots = {
        tier: [slot for slot in held(tier) if f"{tier}/{slot}" not in leaving] for tier in TIERS
    }
    for tier, found in slots.items():
        if not found:
            sys.stderr.write(f"no replica of {tier} listens in {SOCKETS / tier}; start one first\n")
            return 1
    try:
        text = generate(slots)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr or f"nginxgen ended with status {error.returncode}\n")
        return 1
    if not CONF.exists() or CONF.read_text() != text:
        unfinished = CONF.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.rename(CONF)
    for tier, found in slots.items():
        sys.stdout.write(f"{tier}: slots {', '.join(map(str, found))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
