"""PostgreSQL and its backends: killed, told to end, or stopped in their tracks."""

from __future__ import annotations

import signal
import time

from scenario import Run, scenario
from scenarios.processes import CONT, KILL, STOP, STOPPED_SECONDS, TERM, cuts

QUIT, INT = signal.SIGQUIT, signal.SIGINT

AWAY_SECONDS = 60.0
# PostgreSQL killed the hard way is started anew, and reads its log again.
DATABASE_BACK = 60.0


@scenario(
    "listen-cut",
    "the LISTEN connections are terminated",
    within=10,
    goals={"fault_sight.p95": 1.0},
    harmless=True,
)
def listen_cut(run: Run) -> None:
    """Each worker listens again at once and looks for what it missed."""
    listening = "application_name LIKE 'chatire-listen:%'"
    replicas = len(run.stack.containers("ws"))
    cut = run.stack.value(
        f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {listening}"
    )
    run.fault()
    run.expect(cut == replicas, f"{cut} connections listened, there are {replicas} ws replicas")
    run.until(
        lambda: (
            run.stack.value(f"SELECT count(*) FROM pg_stat_activity WHERE {listening}") == replicas
        ),
        "every replica listens again",
        10,
    )
    run.expect(not cuts(run), "sockets were cut")


@scenario(
    "postgres-backend-kill",
    "kill -9 of one PostgreSQL backend: all connections end",
    within=30,
    goals={"fault_sight.p95": 3.0},
)
def postgres_backend_kill(run: Run) -> None:
    """PostgreSQL ends all of them and recovers, for shared memory may be spoilt."""
    backend = run.stack.backends("application_name NOT LIKE 'chatire-listen%' AND state = 'idle'")
    run.fault(run.stack.signal(backend[0], KILL))
    database_back(run)


@scenario(
    "listen-backend-kill",
    "kill -9 of the backend that a worker listens on",
    within=30,
    slow=True,
    goals={"fault_sight.p95": 3.0},
)
def listen_backend_kill(run: Run) -> None:
    backend = run.stack.backends("application_name LIKE 'chatire-listen:%'")
    run.fault(run.stack.signal(backend[0], KILL))
    database_back(run)


@scenario(
    "postgres-immediate",
    "PostgreSQL shuts down immediately, as at a power cut",
    within=30,
    restarts={"postgres"},
    goals={"fault_sight.p95": 3.0},
)
def postgres_immediate(run: Run) -> None:
    """Nothing that was acknowledged is lost, and the tiers are not restarted for it."""
    run.fault(run.stack.signal(run.stack.postmaster(), QUIT))
    database_back(run)


@scenario(
    "postgres-term",
    "SIGTERM of PostgreSQL's first process, which then waits for its sessions; SIGINT after 20 s",
    within=30,
    seconds=50,
    restarts={"postgres"},
    goals={"fault_sight.p95": 3.0},
    slow=True,
    compose_only="systemd does not ask whether PostgreSQL lets anybody in",
)
def postgres_term(run: Run) -> None:
    """It lets nobody in, but those who are in go on, and nothing is lost when it has to end.

    The tiers' sessions do not end by themselves, so it would wait for as long as they run.
    """
    postmaster = run.stack.postmaster()
    run.fault(run.stack.signal(postmaster, TERM))
    run.until(lambda: not run.stack.accepts(), "PostgreSQL lets nobody in", 5)
    run.pause_until(run.began + STOPPED_SECONDS)
    late = [each for each in run.ledger.traffic.books.sent if each.wanted > time.time() - 10]
    stored = sum(each.acked is not None for each in late)
    run.figure("messages of the last 10 s that were stored", stored)
    run.expect(stored, "nobody was served by the sessions that were left")
    run.expect(run.stack.postmaster().key == postmaster.key, "PostgreSQL ended by itself")
    # Not asked of http: a thread that had no session yet gets none.
    run.expect_ready(run.stack.containers("ws"))
    run.expect(not cuts(run), f"sockets were cut: {cuts(run)}")
    told = run.stack.healthy()
    run.expect(any("postgres" in line for line in told), "PostgreSQL counted as healthy all along")
    run.stack.signal(postmaster, INT)
    database_back(run)


@scenario(
    "postgres-kill",
    "kill -9 of PostgreSQL's first process",
    within=30,
    restarts={"postgres"},
    goals={"fault_sight.p95": 3.0},
    slow=True,
)
def postgres_kill(run: Run) -> None:
    """It is started anew by whoever supervises it, and recovers from its log."""
    run.fault(run.stack.signal(run.stack.postmaster(), KILL))
    database_back(run)


@scenario(
    "postgres-backend-term",
    "SIGTERM of every PostgreSQL backend of both tiers",
    within=15,
    goals={"fault_sight.p95": 3.0},
    slow=True,
)
def postgres_backend_term(run: Run) -> None:
    """As when a server is told to let go: each connection ends with a word, the server stays."""
    backends = run.stack.backends("application_name LIKE 'chatire-%'")
    run.expect(backends, "the tiers have no connection")
    run.fault(run.stack.signal(backends, TERM))
    run.pause(3)
    run.expect(not cuts(run), "sockets were cut")


@scenario(
    "postgres-restart",
    "PostgreSQL is restarted as an operator does it",
    within=30,
    restarts={"postgres"},
    goals={"fault_sight.p95": 3.0},
    slow=True,
)
def postgres_restart(run: Run) -> None:
    """As above; everybody is told before the server goes."""
    (container,) = run.stack.containers("postgres")
    run.fault()
    run.stack.restart(container)
    database_back(run)


@scenario(
    "postgres-away",
    "PostgreSQL is stopped, and started after 60 s",
    within=30,
    seconds=110,
    restarts={"postgres"},
    goals={"fault_sight.p95": 3.0},
    slow=True,
)
def postgres_away(run: Run) -> None:
    """Both tiers say that they cannot serve, nobody is restarted for it, and all go on at once."""
    (container,) = run.stack.containers("postgres")
    tiers = [*run.stack.containers("http"), *run.stack.containers("ws")]
    run.finally_(lambda: run.stack.start(container))
    run.fault()
    run.stack.stop(container)
    run.expect_unready(tiers)
    run.pause_until(run.began + AWAY_SECONDS)
    run.stack.start(container)
    database_back(run)


@scenario(
    "postgres-stop",
    "PostgreSQL stands still for 20 s (SIGSTOP of all its processes)",
    within=30,
    seconds=60,
    slow=True,
)
def postgres_stop(run: Run) -> None:
    """Both tiers say that they cannot serve, and nobody is restarted for it."""
    processes = run.stack.processes("postgres")
    run.finally_(lambda: run.stack.signal(processes, CONT))
    tiers = [*run.stack.containers("http"), *run.stack.containers("ws")]
    run.fault(run.stack.signal(processes, STOP))
    run.expect_unready(tiers)
    run.pause_until(run.began + STOPPED_SECONDS)
    run.healed(run.stack.signal(processes, CONT))


def database_back(run: Run) -> None:
    """Note when PostgreSQL accepts again: from then on sight counts."""
    # It takes a moment to go.
    run.pause(0.3)
    run.until(run.stack.accepts, "PostgreSQL accepts connections", DATABASE_BACK)
    run.healed()
    run.figure("database away", run.counts - run.began)
