"""More than there is room for, of everything at once, while others keep within the limits."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from breaking.flood import Heard, Order, Told, address, flood
from ledger.traffic import Size
from scenario import Run, scenario
from scenarios.processes import cuts, retries

# Limits that a flood of a size for any machine goes beyond. Those of nginx are what
# docs/protocol.md promises to one address at least.
LIMITS = {
    "CHATIRE_WS_MAX_SOCKETS": 100,
    "CHATIRE_WS_FRAMES_PER_SECOND": 20,
    "CHATIRE_WS_FRAMES_BURST": 50,
    "CHATIRE_WS_OUTBOX_BYTES": 65536,
    "CHATIRE_NGINX_LIMITS_API_PER_SECOND": 100,
    "CHATIRE_NGINX_LIMITS_API_BURST": 100,
    "CHATIRE_NGINX_LIMITS_HANDSHAKES_PER_SECOND": 200,
    "CHATIRE_NGINX_LIMITS_HANDSHAKES_BURST": 200,
}
FLOOD_SECONDS = 20.0
# Whoever is refused knows it so soon: the page waits 8 s for an answer.
REFUSED_SECONDS = 6.0
# A reader that stops in that room is let go before this.
STALLED_SECONDS = 10.0
# And when the flood hangs up, the workers notice.
GONE_SECONDS = 10.0
FULL, TOO_FAST, TOO_MANY = "503 unavailable", "429 throttled", "4429"
# What may be answered, by kind, and what has to have been.
ANSWERS = {
    "handshakes": {"101", FULL, TOO_FAST},
    "frames": {TOO_MANY},
    "posts": {"201", TOO_FAST},
}


@scenario(
    "overload",
    "too many sockets, frames, posts and readers that stop, all at once for 20 s",
    within=FLOOD_SECONDS + 20,
    seconds=110,
    slow=True,
    size=Size(clients=60, rate=40.0),
    restarts={"http", "ws", "migrate", "nginx-config", "nginx"},
    goals={"fault_sight.p95": 1.0},
    compose_only="floods from an address of its own, a container's, under limits of its own",
)
def overload(run: Run) -> None:
    """Each is refused by name and soon; the ledger's clients notice nothing; all is as before.

    Sight and recovery count from the flood's beginning.
    """
    stack, loop, people = run.compose, run.ledger.loop, run.ledger.traffic.people
    run.finally_(lambda: stack.make("up"))
    stack.make("up", *(f"{name}={value}" for name, value in LIMITS.items()))
    run.until(run.ledger.whole, "everybody is back under the narrower limits", 60)
    person = people.members[0]
    loop.call(person.renew(person.access), 30)
    quiet = loop.call(person.persist("POST", "/api/chats/", ok=201), 30)["uri"]
    order = Order(
        host=urlsplit(stack.url).netloc,
        token=person.access,
        busy=run.ledger.traffic.rooms[0],
        quiet=quiet,
        seconds=FLOOD_SECONDS,
    )
    with address(stack.project) as container:
        run.pause(3)
        run.prepared()
        before = sockets(run)
        run.fault()
        told = flood(container, order)
    run.until(lambda: sockets(run) <= before, "the flood's sockets are gone", GONE_SECONDS)
    refused_by_name(run, told)
    run.expect(not cuts(run), f"sockets within the limits were cut: {cuts(run)}")
    run.expect(not retries(run), f"posts within the limits were refused: {retries(run)}")
    run.expect_ready([*stack.containers("http"), *stack.containers("ws")])


def sockets(run: Run) -> int:
    """Those of all workers, as they told last."""
    told = 0
    for worker in run.stack.containers("ws"):
        said = run.stack.watch.samples(container=worker.id)[-1].said
        found = re.search(r'"sockets": ?(\d+)', said)
        assert found, f"{worker} does not tell its sockets: {said}"
        told += int(found.group(1))
    return told


def refused_by_name(run: Run, told: Told) -> None:
    """Everything was answered by what docs/protocol.md names, the refusals soon."""
    for kind, expected in ANSWERS.items():
        heard = told.answers.get(kind, {})
        run.expect(set(heard) == expected, f"{kind} were answered {heard}, expected {expected}")
        for name in sorted(set(heard) & expected):
            noted(run, f"{kind} {name}", heard[name])
    left = told.answers.get("sockets")
    run.expect(not left, f"sockets that had a place were ended: {left}")
    ends = {name for _, name in told.readers}
    # Who reads nothing for longer than a close frame is waited with is cut without one.
    run.expect(ends <= {TOO_MANY, "open", "cut"}, f"stalled readers ended with {ends}")
    run.expect(TOO_MANY in ends, f"no stalled reader was told why: {told.readers}")
    kept = [seconds for seconds, name in told.readers if name == "open"]
    run.figure("stalled readers let go", len(told.readers) - len(kept))
    run.figure("longest stall that was borne", max(kept, default=0.0), STALLED_SECONDS)


def noted(run: Run, what: str, heard: Heard) -> None:
    """For the report; a refusal has to come soon."""
    run.figure(what, heard.count)
    goal = None if what.endswith((" 101", " 201")) else REFUSED_SECONDS
    run.figure(f"{what} after at most", heard.slowest, goal)
