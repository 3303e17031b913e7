"""Measure the running stack against the kit's goals.

    python3 bench/figures.py [memory delivery sockets churn] [--json FILE]

The stack should be idle: whatever else runs is measured too. Accounts that the run makes are
removed at its end. Exit status 0 with --check only if every goal is met, else always when the
measuring itself went through.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import httpx
import uvloop

from chat_load import Api
from measures import churn, delivery, idle_memory, idle_sockets, progress, scene
from report import Figure, show, write
from stack import Stack, StackError

ALL = ("memory", "delivery", "sockets", "churn")


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    port = os.environ.get("CHATIRE_PORT") or "8080"
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"of {', '.join(ALL)}; else all")
    parser.add_argument("--project", default=os.environ.get("CHATIRE_PROJECT") or "chatire")
    parser.add_argument(
        "--url", default=os.environ.get("CHATIRE_URL") or f"http://127.0.0.1:{port}"
    )
    parser.add_argument("--posts", type=int, default=200, help="posts to time (200)")
    parser.add_argument("--sockets", type=int, default=2000, help="idle sockets to hold (2000)")
    parser.add_argument("--churn", type=int, default=20_000, help="sockets to open and close")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    options = parser.parse_args(given)
    unknown = set(options.what) - set(ALL)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    return options


async def under_load(options: argparse.Namespace, stack: Stack, what: list[str]) -> list[Figure]:
    """The figures that need accounts; the accounts go whatever happens."""
    api = Api(options.url.rstrip("/"))
    figures: list[Figure] = []
    try:
        people = scene(stack, api.url, api)
        if "delivery" in what:
            figures += await delivery(people, options.posts)
        if "sockets" in what:
            figures += await idle_sockets(people, options.sockets)
        if "churn" in what:
            figures += await churn(people, options.churn, min(1000, options.churn // 2))
    finally:
        api.close()
        stack.manage("smoke_cleanup", "--prefix", api.prefix)
    return figures


def main(given: list[str]) -> int:
    options = arguments(given)
    what = options.what or list(ALL)
    stack = Stack(options.project)
    load = os.getloadavg()[0]
    figures: list[Figure] = []
    try:
        if "memory" in what:
            figures += idle_memory(stack)
        if set(what) - {"memory"}:
            figures += uvloop.run(under_load(options, stack, what))
    except (StackError, ConnectionError, TimeoutError, httpx.HTTPError) as error:
        progress("")
        print(f"figures: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    progress("")
    show(figures)
    if load > (os.cpu_count() or 1):
        print(f"The machine was busy (load {load:.1f} before): the times are not the stack's own.")
    if options.json:
        write(figures, options.json, {"project": options.project, "load": load})
    missed = [figure.name for figure in figures if figure.verdict == "over"]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
