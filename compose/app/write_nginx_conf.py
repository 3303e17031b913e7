"""Writes nginx.conf for the slots of both tiers that are held just now.

`write_nginx_conf.py [--without TIER/SLOT …]`: a slot is held when something listens on its
socket; those named are left out, because their replica is about to go, and those that are
reserved (see slots.sh) for replicas that are not to serve. nginxgen does the writing.

Prints what it found; exit status not zero with one line on standard error when a tier has no
replica or nginxgen refuses a setting.
"""

import argparse
import os
import re
import socket
import sys
from pathlib import Path

SOCKETS = Path("/run/chatire")
CONF = "/var/lib/chatire/nginx/nginx.conf"
TIERS = {"http": "CHATIRE_HTTP_SERVERS", "ws": "CHATIRE_WS_SERVERS"}


def listens(path: Path) -> bool:
    """Whether a process accepts connections on this socket; a dead one's file does not count."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def reserved_from(tier: str) -> int:
    """The first slot that is not nginx's; beyond all where none is reserved."""
    try:
        return int((SOCKETS / tier / "reserve").read_text(encoding="ascii"))
    except FileNotFoundError:
        return sys.maxsize


def held(tier: str) -> list[int]:
    """The slots of a tier in which a replica serves, lowest first."""
    found = (re.fullmatch(r"([0-9]+)\.sock", path.name) for path in (SOCKETS / tier).iterdir())
    slots = sorted(int(match[1]) for match in found if match)
    serving = (slot for slot in slots if slot < reserved_from(tier))
    return [slot for slot in serving if listens(SOCKETS / tier / f"{slot}.sock")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--without", nargs="*", default=[], metavar="TIER/SLOT")
    leaving = set(parser.parse_args().without)
    slots = {
        tier: [slot for slot in held(tier) if f"{tier}/{slot}" not in leaving] for tier in TIERS
    }
    for tier, found in slots.items():
        if not found:
            sys.exit(f"no replica of {tier} listens in {SOCKETS / tier}; start one first")
    for tier, found in slots.items():
        servers = (f"unix:{SOCKETS}/{tier}/{slot}.sock" for slot in found)
        os.environ[TIERS[tier]] = ",".join(servers)
        sys.stdout.write(f"{tier}: slots {', '.join(map(str, found))}\n")
    sys.stdout.flush()
    # It replaces the file in one step, so that nginx never reads half of one.
    command = [sys.executable, "-m", "nginxgen", "--env", "--output", CONF]
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
