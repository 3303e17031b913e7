"""Sessions of PostgreSQL that get in the way: locks held, connections used up, sessions ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from breaking.engine import Trouble, docker
from engine import EngineError
from stack import Stack

T = TypeVar("T")

# The name under which these sessions are found and ended.
NAME = "chatire-fault"
FULL_SECONDS = 20.0
# A connection has its slot before PostgreSQL knows whose it is: those that are about to be refused
# may hold the superuser's for a moment.
SLOT_SECONDS = 10.0
ENDED = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{NAME}'"

# Takes every connection that ordinary roles may have, and each one that becomes free. As the
# application does it: over the network, with its password.
HOG = """
import os, sys, time, psycopg
from pathlib import Path
password = Path("/run/secrets/postgres_password").read_text().strip()
held, end = [], time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    if held:
        held[0].execute("SELECT 1")  # fails, and ends this, when its sessions are ended
    try:
        held.append(psycopg.connect(
            host=os.environ["CHATIRE_DB_HOST"], dbname=os.environ["CHATIRE_DB_NAME"],
            user=os.environ["CHATIRE_DB_USER"], password=password, connect_timeout=5,
            application_name=sys.argv[2], autocommit=True,
        ))
    except psycopg.OperationalError:
        time.sleep(0.02)
"""


@contextmanager
def transaction(stack: Stack, sql: str, settings: str = "") -> Iterator[subprocess.Popen[str]]:
    """A transaction that has run `sql` and stays open; rolled back at the end.

    Whoever runs this may also find it ended: look at the process.
    """
    name = f"SET application_name = '{NAME}'; {settings}"
    session = subprocess.Popen(
        stack.psql_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert session.stdin
    assert session.stdout
    try:
        session.stdin.write(f"{name}\nBEGIN; {sql};\n\\echo held\n")
        session.stdin.flush()
        said = ""
        while (line := session.stdout.readline()) != "held\n":
            said += line
            if not line:
                raise Trouble(f"psql: the transaction was not opened: {said}")
        yield session
    finally:
        with suppress(BrokenPipeError):
            session.stdin.close()
        try:
            session.wait(10)
        except subprocess.TimeoutExpired:
            stack.psql(ENDED)
            session.kill()
        session.stdout.close()


@contextmanager
def connections_used_up(stack: Stack, client: str, seconds: float) -> Iterator[None]:
    """Every connection for ordinary roles is taken, by a program in the container `client`.

    The tiers' own are ended first, so that they are without any.
    """
    docker("exec", "--detach", client, "python", "-c", HOG, str(seconds), NAME)
    full = (
        "SELECT count(*) >= current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int - 2"
        " FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    try:
        deadline = time.monotonic() + FULL_SECONDS
        while getting_in(lambda: stack.psql(full)).strip() != "t":
            if time.monotonic() > deadline:
                raise Trouble(f"connections are still free after {FULL_SECONDS:g} s")
            time.sleep(0.2)
        # Who is quicker has what was ended: again, until the tiers find none any more.
        deadline = time.monotonic() + FULL_SECONDS
        while getting_in(lambda: end_sessions(stack)):
            if time.monotonic() > deadline:
                raise Trouble(f"the tiers still find connections after {FULL_SECONDS:g} s")
            time.sleep(0.5)
        yield
    finally:
        getting_in(lambda: stack.psql(ENDED))


def getting_in(ask: Callable[[], T]) -> T:
    """What `ask` returns, as the superuser; again where every slot was taken at that moment."""
    deadline = time.monotonic() + SLOT_SECONDS
    while True:
        try:
            return ask()
        except EngineError as error:
            if "too many clients" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def end_sessions(stack: Stack, like: str = "chatire-%") -> int:
    """End the tiers' sessions, or some of them; returns how many."""
    return stack.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE application_name LIKE '{like}' AND application_name <> '{NAME}'"
    )


@contextmanager
def setting(stack: Stack, name: str, value: str) -> Iterator[None]:
    """A setting of the whole server."""
    reload = "SELECT pg_reload_conf();"
    stack.psql(f"ALTER SYSTEM SET {name} = {value}; {reload}")
    try:
        yield
    finally:
        stack.psql(f"SET default_transaction_read_only = off; ALTER SYSTEM RESET {name}; {reload}")
