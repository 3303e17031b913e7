"""What a number of sockets and messages needs: `make capacity SOCKETS=… RATE=… [ROOM=…]`.

From costs.json, which a benchmark on one machine has filled; another machine's cores are faster or
slower, and `make bench` followed by `costs.py --write` says by how much. `--json` for a script.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

from model import (
    COSTS,
    FULL,
    SOCKETS_AN_NGINX_WORKER,
    Load,
    demand,
    limits,
    read_costs,
    workers_needed,
)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make capacity", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--sockets", type=int, required=True, help="open at the same time")
    parser.add_argument("--rate", type=float, required=True, help="messages a second, in all")
    parser.add_argument("--room", type=int, default=10, help="sockets in a room (10)")
    parser.add_argument(
        "--http-share", type=float, default=0.0, help="messages over HTTP, 0 to 1 (0)"
    )
    parser.add_argument("--cores", type=int, default=2, help="cores of a host (2)")
    parser.add_argument("--costs", type=Path, default=COSTS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(given)
    if options.sockets < 1 or options.rate < 0 or options.room < 1 or options.cores < 1:
        parser.error("SOCKETS, ROOM and the cores are at least 1, and RATE is not negative")
    if not 0 <= options.http_share <= 1:
        parser.error("the share over HTTP lies between 0 and 1")
    return options


def main(given: list[str]) -> int:
    options = arguments(given)
    costs = read_costs(options.costs)
    load = Load(options.sockets, options.rate, options.room, options.http_share)
    workers = workers_needed(costs, load)
    if workers is None:
        print(
            f"No number of ws workers carries {load.rate:,.0f} messages/s: each of them hears every"
            " message. Further ones add nothing."
            " docs/scaling.md says what comes after one database as the broker."
        )
        return 1
    need = demand(costs, load, workers)
    bounds = limits(costs, load, workers, options.cores)
    hosts = math.ceil(need.cores / (options.cores * FULL))
    nginx = max(2, math.ceil(load.sockets / SOCKETS_AN_NGINX_WORKER))
    if options.json:
        answer = {**asdict(need), "cores": need.cores, "hosts": hosts, "limits": dict(bounds)}
        print(json.dumps(answer, indent=1))
        return 0
    print(
        f"{load.sockets:,} sockets, {load.rate:,.0f} messages/s, rooms of {load.room}:"
        f" {load.deliveries:,.0f} deliveries/s\n"
    )
    rows = (
        (f"ws workers: {workers}", need.ws_cores, f"{need.ws_mb:,.0f} MB"),
        ("http tier", need.http_cores, "posts only; signing in and pages come on top"),
        ("PostgreSQL", need.postgres_cores, f"{need.wal_mb_per_s:.1f} MB/s of write-ahead log"),
        (f"nginx workers: {nginx}", need.nginx_cores, f"{need.nginx_mb:,.0f} MB"),
        (
            "together",
            need.cores,
            f"{hosts} hosts of {options.cores} cores, {FULL:.0%} full at most",
        ),
    )
    for name, cores, note in rows:
        print(f"  {name:<18} {cores:6.2f} cores   {note}")
    print("\nWith these workers, and this shape of load, it ends at")
    for name, rate in bounds:
        print(f"  {rate:>10,.0f} messages/s   {name}")
    if bounds[0][1] < load.rate:
        print(f"\nThat is less than asked: {bounds[0][0]} ends first. See docs/scaling.md.")
        return 1
    connect = load.sockets * costs.ws_connect_us / 1e6 / workers
    print(
        f"\nAll sockets coming back at once keep each worker busy for {connect:,.0f} s."
        f"\nMeasured on {costs.machine or 'an unnamed machine'}; next: docs/scaling.md."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
