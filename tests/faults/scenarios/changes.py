"""What an operator does under traffic: scale, deploy, roll back."""

from __future__ import annotations

import subprocess

from engine import docker
from ledger.traffic import Size
from scenario import Run, scenario
from scenarios.processes import retries

# Of a deploy's sockets, so many come back within the same second at most.
SPREAD = 0.25


@scenario(
    "scale",
    "make scale up to three of each, and down again",
    within=20,
    seconds=60,
    slow=True,
    restarts={"http", "ws"},
    compose_only="servers have the processes that their inventory says",
)
def scale(run: Run) -> None:
    """Nobody notices more; half of all hang up, fill the new one, and come back when it goes."""
    http, ws = (len(run.stack.containers(tier)) for tier in ("http", "ws"))
    run.fault()
    run.compose.make("scale", f"HTTP={http + 1}", f"WS={ws + 1}")
    run.expect(len(run.stack.containers("ws")) == ws + 1, "there is no further ws replica")
    # Sockets stay where they are: those that come anew fill the empty one.
    run.ledger.drop(0.5)
    run.pause(1)
    run.until(run.ledger.whole, "those who hung up are back", 20)
    run.compose.make("scale", f"HTTP={http}", f"WS={ws}")
    run.healed()
    posts_went_through(run)
    sent_away = run.ledger.cuts(run.began)[1012]
    run.expect(sent_away, "nobody had a socket at the replica that went")
    # A worker of nginx from before each change lives until its last socket ends: so many hold more.
    run.ledger.drop()
    run.pause(1)
    run.until(run.ledger.whole, "everybody is back", 20)


@scenario(
    "deploy",
    "make deploy and make rollback under 1,000 sockets",
    within=30,
    seconds=150,
    slow=True,
    size=Size(rooms=20, clients=1000, rate=60.0),
    restarts={"http", "ws", "migrate", "nginx-config"},
    compose_only="make test-servers deploys and rolls back under traffic",
    goals={"away.p95": 2.0},
)
def deploy(run: Run) -> None:
    """Old and new run side by side; the old ones drain; no post fails."""
    image = f"chatire/app:{run.compose.project}"
    variant = f"chatire-variant/app:{run.compose.project}-chaos"
    lines = f"FROM {image}\nLABEL chatire.inputs=variant-chaos chatire.version=chaos\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", variant, "-"],
        input=lines,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    run.finally_(lambda: docker("image", "rm", "--force", variant))
    run.fault()
    run.compose.make("deploy", f"IMAGE={variant}", within=400)
    run.say(f"deployed: {run.ledger.line}")
    run.pause(3)
    run.compose.make("rollback", within=400)
    run.healed()
    posts_went_through(run)
    # nginx is not reloaded: no connection closes under a request, which a browser would repeat.
    run.expect(not run.ledger.resent, f"{run.ledger.resent} posts went out on closing connections")
    # Each socket twice: by the deploy and by the rollback.
    run.figure(
        "sockets back in one second at most", most_at_once(run), SPREAD * run.ledger.size.clients
    )


def most_at_once(run: Run) -> int:
    """How many members' sockets came back in the second in which most did."""
    came = sorted(
        cut.back
        for reader in run.ledger.traffic.books.readers
        if reader.kind == "member"
        for cut in reader.cuts
        if cut.back is not None and cut.at >= run.began
    )
    most = first = 0
    for place, at in enumerate(came):
        while came[first] < at - 1.0:
            first += 1
        most = max(most, place - first + 1)
    return most


def posts_went_through(run: Run) -> None:
    """No post over HTTP had to be repeated."""
    failed = {why: count for why, count in retries(run).items() if why.startswith("http")}
    run.expect(not failed, f"posts failed and were repeated: {failed}")
