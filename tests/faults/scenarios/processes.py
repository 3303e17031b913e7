"""Processes that are killed, told to stop, or stopped in their tracks."""

from __future__ import annotations

import signal

from ledger.traffic import Size
from scenario import Run, scenario
from stack import Process

KILL, TERM = signal.SIGKILL, signal.SIGTERM
STOP, CONT = signal.SIGSTOP, signal.SIGCONT

STOPPED_SECONDS = 20.0


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
    run.pause(2)
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
