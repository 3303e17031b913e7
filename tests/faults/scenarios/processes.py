"""Processes that are killed, told to stop, or stopped in their tracks."""

from __future__ import annotations

import signal
import time

from ledger.traffic import Size
from scenario import Run, scenario
from stack import Process

KILL, TERM, QUIT = signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT
INT = signal.SIGINT
STOP, CONT = signal.SIGSTOP, signal.SIGCONT

STOPPED_SECONDS = 20.0
AWAY_SECONDS = 60.0
# PostgreSQL killed the hard way is started anew, and reads its log again.
DATABASE_BACK = 60.0


@scenario("nothing", "no fault: what the others are compared with", within=10, harmless=True)
def nothing(run: Run) -> None:
    run.fault()
    run.pause(8)
    run.healed()
    run.expect_ready([*run.stack.containers("http"), *run.stack.containers("ws")])
    run.expect(not cuts(run), "sockets were cut although nothing was done")
    run.expect(not retries(run), f"tries failed although nothing was done: {retries(run)}")


# --- ws ---------------------------------------------------------------------------------------


@scenario(
    "ws-kill",
    "kill -9 of a ws worker",
    within=20,
    restarts={"ws"},
    goals={"fault_sight.p95": 3.0},
    harmless=True,
)
def ws_kill(run: Run) -> None:
    """Its clients come back to another worker and resume."""
    run.fault(run.stack.signal(busiest(run), KILL))


@scenario(
    "ws-kill-all",
    "kill -9 of all ws workers at once",
    within=30,
    restarts={"ws"},
    slow=True,
    harmless=True,
)
def ws_kill_all(run: Run) -> None:
    run.fault(run.stack.signal(run.stack.ws_workers(), KILL))


@scenario(
    "ws-term",
    "SIGTERM of a ws worker: it drains",
    within=40,
    restarts={"ws"},
    goals={"fault_sight.p95": 3.0, "away.p95": 2.0},
    slow=True,
    harmless=True,
)
def ws_term(run: Run) -> None:
    """Its sockets are let go with 1012, in batches."""
    run.fault(run.stack.signal(busiest(run), TERM))
    run.until(lambda: cuts(run).get(1012), "a socket closed with 1012", 20)


@scenario(
    "ws-stop",
    "a ws worker stands still for 20 s (SIGSTOP)",
    within=20,
    seconds=45,
    # Its guard ends it after CHATIRE_WS_STUCK_SECONDS, and it is started anew.
    restarts={"ws"},
    slow=True,
    harmless=True,
)
def ws_stop(run: Run) -> None:
    """It is unready while it stands, and replaced by itself."""
    stuck = run.stack.ws_workers()[0]
    others = [c for c in run.stack.containers("ws") if c.id != stuck.container]
    run.finally_(lambda: run.stack.signal(stuck, CONT))
    run.fault(run.stack.signal(stuck, STOP))
    run.expect_unready(c for c in run.stack.containers("ws") if c.id == stuck.container)
    run.pause_until(run.began + STOPPED_SECONDS)
    run.healed(run.stack.signal(stuck, CONT))
    run.expect_ready(others)


# --- http -------------------------------------------------------------------------------------


@scenario("http-worker-kill", "kill -9 of an http worker", within=15, harmless=True)
def http_worker_kill(run: Run) -> None:
    """gunicorn starts another; posts in flight are repeated."""
    run.fault(run.stack.signal(run.stack.http_workers()[0], KILL))
    run.expect(not cuts(run), "an http worker's end cut sockets")


@scenario(
    "http-stop",
    "an http worker stands still (SIGSTOP), and nobody sets it going again",
    within=60,
    seconds=60,
    slow=True,
    harmless=True,
)
def http_stop(run: Run) -> None:
    """It is unready while it stands, the others serve, and gunicorn replaces it after 30 s."""
    stuck = run.stack.http_workers()[0]
    run.finally_(lambda: run.stack.signal(stuck, CONT))
    run.fault(run.stack.signal(stuck, STOP))
    run.expect_unready(c for c in run.stack.containers("http") if c.id == stuck.container)
    run.until(
        lambda: stuck.key not in {each.key for each in run.stack.http_workers()},
        "the worker that stands still is replaced",
        within=50,
    )


@scenario("http-worker-term", "SIGTERM of an http worker", within=15, slow=True, harmless=True)
def http_worker_term(run: Run) -> None:
    run.fault(run.stack.signal(run.stack.http_workers()[0], TERM))
    run.pause(2)


@scenario(
    "http-master-kill",
    "kill -9 of a gunicorn master",
    within=30,
    restarts={"http"},
    harmless=True,
)
def http_master_kill(run: Run) -> None:
    """It is started anew; the other replica serves meanwhile."""
    run.fault(run.stack.signal(run.stack.http_masters()[0], KILL))


@scenario(
    "http-term",
    "SIGTERM of a gunicorn master: it finishes what it has",
    within=40,
    restarts={"http"},
    slow=True,
    harmless=True,
)
def http_term(run: Run) -> None:
    run.fault(run.stack.signal(run.stack.http_masters()[0], TERM))
    run.pause(5)
    failed = {why: count for why, count in retries(run).items() if why.startswith("http")}
    run.expect(not failed, f"posts failed while it drained: {failed}")


# --- nginx ------------------------------------------------------------------------------------


@scenario("nginx-worker-kill", "kill -9 of an nginx worker", within=15, harmless=True)
def nginx_worker_kill(run: Run) -> None:
    """Half of all sockets end without a word."""
    run.fault(run.stack.signal(run.stack.nginx_workers()[0], KILL))


@scenario("nginx-worker-term", "SIGTERM of an nginx worker", within=15, slow=True, harmless=True)
def nginx_worker_term(run: Run) -> None:
    """It hangs up on everybody at once; the master starts another."""
    run.fault(run.stack.signal(run.stack.nginx_workers()[0], TERM))


@scenario(
    "nginx-kill",
    "kill -9 of nginx's master and workers",
    within=30,
    restarts={"nginx"},
    slow=True,
    harmless=True,
)
def nginx_kill(run: Run) -> None:
    """The address is gone, and comes back, and everybody with it."""
    processes = [run.stack.nginx_master(), *run.stack.nginx_workers()]
    run.fault(run.stack.signal(processes, KILL))


@scenario("nginx-term", "SIGTERM of nginx", within=30, restarts={"nginx"}, slow=True, harmless=True)
def nginx_term(run: Run) -> None:
    run.fault(run.stack.signal(run.stack.nginx_master(), TERM))


@scenario("nginx-reload", "nginx reloads three times", within=10, slow=True, harmless=True)
def nginx_reload(run: Run) -> None:
    """No socket ends, no post fails."""
    run.fault()
    for _ in range(3):
        run.stack.reload_nginx()
        run.pause(1)
    run.expect(not cuts(run), f"a reload cut sockets: {cuts(run)}")
    run.expect(not retries(run), f"tries failed during a reload: {retries(run)}")


# --- PostgreSQL -------------------------------------------------------------------------------


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


@scenario(
    "commit-no-hint",
    "http workers die between commit and hint",
    within=20,
    size=Size(socket_share=0.0),
)
def commit_no_hint(run: Run) -> None:
    """The backends that would notify are stopped; posts commit; then their processes die.

    What waits in the stopped backends' sockets is never read, for those are told to end before
    they go on: a hint is lost for good, and the workers' look at the table has to find it.
    """
    stack = run.stack
    hinting = "application_name LIKE 'chatire-hints:%'"
    backends = stack.backends(hinting)
    run.expect(backends, "no http worker has a connection for hints")
    run.finally_(lambda: stack.signal(backends, CONT))
    at = run.fault(stack.signal(backends, STOP))
    run.pause(0.7)
    stack.signal(stack.http_workers(), KILL)
    stored = stack.value(
        f"SELECT count(*) FROM chat_message WHERE create_date > to_timestamp({at})"
    )
    stack.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {hinting}")
    run.healed(stack.signal(backends, CONT))
    run.figure("messages without a hint", stored)
    run.expect(stored > 0, "nothing was committed while the hints could not go out")


def database_back(run: Run) -> None:
    """Note when PostgreSQL accepts again: from then on sight counts."""
    # It takes a moment to go.
    run.pause(0.3)
    run.until(run.stack.accepts, "PostgreSQL accepts connections", DATABASE_BACK)
    run.healed()
    run.figure("database away", run.counts - run.began)


def busiest(run: Run) -> Process:
    """The ws worker with the most sockets: after another fault one may have none."""
    return max(run.stack.ws_workers(), key=lambda worker: worker.files)


def cuts(run: Run) -> dict[int, int]:
    """Members' sockets that ended since the fault, by code."""
    found: dict[int, int] = {}
    for reader in run.ledger.traffic.books.readers:
        for cut in reader.cuts if reader.kind == "member" else ():
            if cut.at >= run.began:
                found[cut.code] = found.get(cut.code, 0) + 1
    return found


def retries(run: Run) -> dict[str, int]:
    """Tries that failed since the run began (in a soak: this fault), by what was answered."""
    return dict(run.ledger.traffic.books.retried - run.earlier)
