"""PostgreSQL in trouble of its own: locks, sessions, settings, maintenance, an older backup."""

from __future__ import annotations

import tempfile
import time

from breaking import sessions
from scenario import Run, scenario
from stack import REPOSITORY

LAYER = "channels_postgres_groupchannel, channels_postgres_message, realtime_presence"
EPOCH = "SELECT epoch FROM chat_history"
NEWEST = "SELECT coalesce(max(id), 0) FROM chat_message"


def goes_on(run: Run, newest: str, seconds: float, otherwise: str) -> None:
    """Let some time pass in which messages have to be stored."""
    before = run.stack.value(newest)
    run.pause(seconds)
    run.expect(run.stack.value(newest) > before, otherwise)


@scenario(
    "connections-used-up",
    "every connection that PostgreSQL has for the tiers is taken, theirs were ended, for 20 s",
    within=15,
    seconds=45,
    goals={"fault_sight.p95": 15.0},
    compose_only="takes them from inside a container of the http tier",
)
def connections_used_up(run: Run) -> None:
    """The operator still gets in: some are the superuser's."""
    client = run.stack.container("http").id
    with sessions.connections_used_up(run.stack, client, 45):
        run.fault()
        run.expect_unready([*run.stack.containers("http"), *run.stack.containers("ws")])
        run.pause_until(run.began + 20)
        run.until(run.stack.accepts, "the superuser gets in", sessions.SLOT_SECONDS)
    run.healed()


@scenario(
    "connections-churn",
    "all sessions of both tiers are ended every other second, for 20 s",
    within=15,
    seconds=40,
    slow=True,
)
def connections_churn(run: Run) -> None:
    """Each pool and each listener begins anew ten times over."""
    run.fault()
    for _ in range(10):
        sessions.end_sessions(run.stack)
        run.pause(2)
    run.healed()


@scenario(
    "room-locked",
    "a transaction holds one room's row for 20 s",
    within=15,
    seconds=40,
)
def room_locked(run: Run) -> None:
    """That room waits, the others do not, and nobody counts as unwell."""
    room, other = run.ledger.traffic.rooms[:2]
    lock = f"SELECT 1 FROM chat_chat WHERE uri = '{room}' FOR UPDATE"
    elsewhere = (
        "SELECT coalesce(max(m.id), 0) FROM chat_message m JOIN chat_chat c ON c.id = m.chat_id"
        f" WHERE uri = '{other}'"
    )
    with sessions.transaction(run.stack, lock):
        run.fault()
        run.pause(10)
        goes_on(run, elsewhere, 10, "the other rooms stood still as well")
    run.healed()


@scenario(
    "layer-locked",
    "the channel layer's tables and presence's are locked for 20 s",
    within=15,
    seconds=40,
)
def layer_locked(run: Run) -> None:
    """Messages need none of them."""
    lock = f"LOCK TABLE {LAYER} IN ACCESS EXCLUSIVE MODE"
    with sessions.transaction(run.stack, lock):
        run.fault()
        run.pause(10)
        goes_on(run, NEWEST, 10, "messages waited for the channel layer")
    run.healed()


@scenario(
    "messages-locked",
    "nobody may read or write messages for 20 s, as while their table is rewritten",
    within=15,
    seconds=40,
    slow=True,
)
def messages_locked(run: Run) -> None:
    """Posts are answered in time that they are to be tried again, and none is stored twice."""
    lock = "LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE"
    with sessions.transaction(run.stack, lock):
        run.fault()
        run.pause(20)
    run.healed()


@scenario(
    "vacuum-full",
    "every table is rewritten, three times over",
    within=15,
    seconds=30,
    slow=True,
)
def vacuum_full(run: Run) -> None:
    """What an operator does to win back room, without telling anybody."""
    run.fault()
    for _ in range(3):
        run.stack.psql("VACUUM FULL ANALYZE")
        run.pause(2)
    run.healed()


@scenario(
    "idle-in-transaction",
    "somebody leaves a transaction open that holds every room's row",
    within=15,
    seconds=35,
    slow=True,
)
def idle_in_transaction(run: Run) -> None:
    """PostgreSQL ends it by itself; after a minute, or here, for this one session, after 15 s."""
    limit = "SET idle_in_transaction_session_timeout = '15s';"
    configured = run.stack.psql("SHOW idle_in_transaction_session_timeout").strip()
    run.expect(configured == "1min", f"the server's own limit is {configured}")
    lock = "SELECT count(*) FROM (SELECT FROM chat_chat FOR UPDATE) AS every_one"
    still = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        f" AND application_name = '{sessions.NAME}'"
    )
    with sessions.transaction(run.stack, lock, limit):
        run.fault()
        run.until(lambda: run.stack.value(still) == 0, "the transaction is ended", 20)
        run.healed()


@scenario(
    "read-only",
    "PostgreSQL takes no writes for 15 s, as a standby would",
    within=15,
    seconds=35,
    slow=True,
    goals={"fault_sight.p95": 3.0},
)
def read_only(run: Run) -> None:
    """Writes are refused as passing; what is stored can be read."""
    with sessions.setting(run.stack, "default_transaction_read_only", "on"):
        run.fault()
        run.pause(15)
    run.healed()


@scenario(
    "older-backup",
    "a backup, 8 s of messages, and the backup again: another history",
    within=20,
    seconds=50,
    compose_only="make test-servers takes and restores a backup",
)
def older_backup(run: Run) -> None:
    """Everybody is told `reset` and starts over, without a person."""
    run.fault()
    # A removal that comes after the backup is undone by it; the ledger counts on those it made.
    removed = [each for each in run.ledger.traffic.books.readers if each.kind == "removed"]
    run.until(lambda: all(each.removed_at for each in removed), "two members are removed", 20)
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "compose/.state") as folder:
        file, since = f"{folder}/before.dump", time.time()
        stored, told = run.stack.psql(EPOCH), told_epochs(run)
        run.compose.make("backup", f"FILE={file}")
        run.pause(8)
        run.finally_(lambda: drop_what_was(run))
        try:
            run.compose.make("restore", f"FILE={file}", "CONFIRM=yes")
        finally:
            # What was acknowledged from the backup to the switch is gone, as the operator was told.
            run.ledger.traffic.books.void(since, time.time())
    run.healed()
    run.until(lambda: not run.ledger.traffic.away, "everybody has a socket again", 20)
    resets = sum(reader.resets for reader in run.ledger.traffic.books.readers)
    run.expect(resets >= run.ledger.size.clients, f"only {resets} clients were told to start over")
    run.expect(run.stack.psql(EPOCH) != stored, "the restored history has the epoch of the other")
    now = told_epochs(run)
    run.expect(len(now) == 1 and not now & told, f"clients were told {now}, and {told} before")


def told_epochs(run: Run) -> set[str | None]:
    """The epochs that members were told last."""
    return {each.epoch for each in run.ledger.traffic.books.readers if each.kind == "member"}


def drop_what_was(run: Run) -> None:
    """The database that a restore keeps: the next scenario's readings are without it."""
    run.stack.psql("DROP DATABASE IF EXISTS chatire_before WITH (FORCE)")
