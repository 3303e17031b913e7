"""The network between the parts: silent, slow, lossy, nameless, cut."""

from __future__ import annotations

import time

from breaking import packets, relay, sessions
from breaking.engine import restarts
from scenario import Run, scenario
from stack import Container

# Both tiers' users in compose.yaml.
USERS = {"http": 10011, "ws": 10012}
# So long a hole or a silence lasts: longer than any time-out of a connection.
HOLE_SECONDS = 25.0
# Why none of these runs on servers.
CONTAINERS = "breaks the network of a container; one server has none inside"


def image(run: Run) -> str:
    """The image with what breaks things (compose/faults)."""
    return f"chatire/faults:{run.compose.project}"


def one_of_each(run: Run) -> list[Container]:
    """A ws and an http replica; each tier has others that are left alone."""
    return [run.stack.container("ws"), run.stack.container("http")]


def everyone(run: Run) -> list[Container]:
    """All replicas of both tiers."""
    return [*run.stack.containers("ws"), *run.stack.containers("http")]


def hole(run: Run, container: Container) -> None:
    """A black hole between one replica and PostgreSQL; told by it, and no reason to be ended."""
    before = restarts(container.id)
    with packets.black_hole([container.id], image(run)):
        began = run.fault()
        run.expect_unready([container])
        run.pause(max(0.0, HOLE_SECONDS - (time.time() - began)))
    run.healed()
    run.expect(restarts(container.id) == before, f"{container} was started anew for the network")


@scenario(
    "ws-black-hole",
    "a ws worker and PostgreSQL lose each other, without a reset",
    within=15,
    seconds=45,
    goals={"fault_sight.p95": 15.0},
    compose_only=CONTAINERS,
)
def ws_black_hole(run: Run) -> None:
    """It says that it is deaf, keeps its sockets, and catches up by itself."""
    hole(run, run.stack.container("ws"))


@scenario(
    "ws-half-open",
    "a ws worker's connections to PostgreSQL die without a reset, and new ones work",
    within=15,
    seconds=40,
    goals={"fault_sight.p95": 15.0},
    compose_only=CONTAINERS,
)
def ws_half_open(run: Run) -> None:
    """Nothing heals it but the worker itself; what is said since the fault counts from then."""
    container = run.stack.container("ws")
    before = restarts(container.id)
    listening = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'chatire-listen:%'"
    )
    listeners = run.stack.value(listening)
    with packets.half_open(container.id, image(run)):
        run.fault()
        # PostgreSQL holds the dead one for longer.
        run.until(
            lambda: run.stack.value(listening) > listeners,
            f"{container} listens on a new connection",
            within=15,
        )
        # What waited is caught up with.
        run.pause(2)
    run.expect(restarts(container.id) == before, f"{container} was started anew for the network")


@scenario(
    "http-black-hole",
    "an http process and PostgreSQL lose each other, without a reset",
    within=15,
    seconds=45,
    slow=True,
    goals={"fault_sight.p95": 15.0},
    compose_only=CONTAINERS,
)
def http_black_hole(run: Run) -> None:
    """Whom it keeps waiting is told 503 and served elsewhere."""
    hole(run, run.stack.container("http"))


@scenario(
    "postgres-silent",
    "PostgreSQL's machine vanishes for 25 s and comes back as if nothing had been",
    within=20,
    seconds=50,
    slow=True,
    goals={"fault_sight.p95": 15.0},
    compose_only=CONTAINERS,
)
def postgres_silent(run: Run) -> None:
    """Every process says so, none is ended for it."""
    before = {each: restarts(each.id) for each in everyone(run)}
    with packets.silence(run.stack.container("postgres").id, image(run)):
        began = run.fault()
        run.expect_unready(everyone(run))
        run.pause(max(0.0, HOLE_SECONDS - (time.time() - began)))
    run.healed()
    run.expect(
        {each: restarts(each.id) for each in everyone(run)} == before,
        "a process was started anew for the network's fault",
    )


@scenario(
    "postgres-refuses",
    "connections to PostgreSQL are reset, old ones and new ones, for 15 s",
    within=15,
    seconds=35,
    goals={"fault_sight.p95": 3.0},
    compose_only=CONTAINERS,
)
def postgres_refuses(run: Run) -> None:
    """As when its machine is up and it is not."""
    with packets.refusal([each.id for each in everyone(run)], image(run)):
        run.fault()
        # It goes on where it is, and would keep its side of what was reset for a minute.
        sessions.end_sessions(run.stack)
        run.expect_unready(everyone(run))
        run.pause_until(run.began + 15)
    run.healed()


@scenario(
    "latency",
    "50 to 200 ms each way between one replica of each tier and PostgreSQL, for 25 s",
    within=15,
    seconds=45,
    slow=True,
    compose_only=CONTAINERS,
)
def latency(run: Run) -> None:
    """Slow is not away: nobody turns unready for it."""
    slowed = [(each.id, USERS[each.service]) for each in one_of_each(run)]
    with relay.latency(slowed, image(run), 0.05, 0.2):
        run.fault()
        # So that they connect anew, through the relay.
        sessions.end_sessions(run.stack)
        run.pause(10)
        since = time.time()
        run.pause(15)
        run.expect_ready(everyone(run), since)
    run.healed()


@scenario(
    "loss",
    "15 of 100 packets between one replica of each tier and PostgreSQL are lost, for 25 s",
    within=15,
    seconds=45,
    slow=True,
    compose_only=CONTAINERS,
)
def loss(run: Run) -> None:
    """TCP makes it good, at its own pace."""
    with packets.loss([each.id for each in one_of_each(run)], image(run), 15):
        run.fault()
        run.pause(25)
    run.healed()


@scenario(
    "no-names",
    "the name of PostgreSQL is not resolved for 20 s, just when all sessions were ended",
    within=20,
    seconds=40,
    slow=True,
    compose_only=CONTAINERS,
)
def no_names(run: Run) -> None:
    """Asking for a name blocks a thread for as long as the resolver likes."""
    with packets.no_names([each.id for each in everyone(run)], image(run)):
        run.fault()
        sessions.end_sessions(run.stack)
        run.expect_unready(everyone(run))
        run.pause_until(run.began + 20)
    run.healed()


@scenario(
    "browsers-cut-off",
    "nothing passes between nginx and the outside for 45 s: every socket is half-open",
    within=30,
    seconds=80,
    slow=True,
    compose_only=CONTAINERS,
)
def browsers_cut_off(run: Run) -> None:
    """What nobody answers is closed after its ping; the clients come back and resume."""
    with packets.browsers_cut_off(run.stack.container("nginx").id, image(run)):
        run.fault()
        run.pause(45)
        run.expect_ready(everyone(run))
    run.healed()
