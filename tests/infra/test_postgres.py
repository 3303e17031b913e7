"""PostgreSQL: the version, the settings that matter, who may do what."""

from __future__ import annotations

import pytest

from chat_client import wait_until
from target import Node, Target, said

# Every one has a reason: the first four keep what was acknowledged, the next keep contents and
# passwords out of logs, the last bound what a lost client can hold.
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_checksums": "on",
    "password_encryption": "scram-sha-256",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "TimeZone": ("Etc/UTC", "UTC"),
    "server_encoding": "UTF8",
}
# Of PostgreSQL, by the release of Debian.
VERSIONS = {"12": "15", "13": "17"}
BOUNDED = ["idle_in_transaction_session_timeout", "tcp_keepalives_idle"]


def test_it_is_the_version_of_its_debian(target: Target, postgres: Node) -> None:
    release = postgres.check("cat /etc/debian_version").split(".")[0]
    assert target.value("SHOW server_version_num").startswith(VERSIONS[release])


def test_the_server_is_what_the_node_runs(postgres: Node) -> None:
    assert "postgres" in postgres.processes[0].command, postgres.processes


@pytest.fixture(scope="module")
def settings(target: Target) -> dict[str, str]:
    """Every setting as the server has it."""
    rows = target.query("SELECT name, setting FROM pg_settings")
    return {row[0]: row[1] for row in rows if len(row) == 2}


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_setting_holds(settings: dict[str, str], setting: str) -> None:
    wanted = SETTINGS[setting]
    assert settings[setting] in ((wanted,) if isinstance(wanted, str) else wanted)


@pytest.mark.parametrize("setting", BOUNDED)
def test_the_setting_is_bounded(target: Target, setting: str) -> None:
    """Asked of the files: a connection through a Unix socket has no keepalives to show."""
    value = target.value(
        f"SELECT setting FROM pg_file_settings WHERE name = '{setting}' AND applied"
    )
    assert int(value.rstrip("mins")) > 0


def test_it_listens_on_its_port_and_nothing_else(postgres: Node) -> None:
    at = {each.at for each in postgres.listeners if each.address != "127.0.0.11"}
    strange = {each for each in at if each != "5432" and not each.endswith("/.s.PGSQL.5432")}
    assert at
    assert not strange


def test_it_is_published_nowhere(postgres: Node) -> None:
    assert not postgres.published


def test_an_operator_gets_in_as_superuser_on_the_chats_database(target: Target) -> None:
    assert target.query(
        "SELECT current_setting('is_superuser'), to_regclass('chat_message') IS NOT NULL"
    ) == [["on", "t"]]


def test_nobody_gets_in_over_the_network_without_a_password(target: Target, postgres: Node) -> None:
    if not [each for each in postgres.listeners if each.kind == "tcp"]:
        pytest.skip("it is on no network: everything is on one host")
    rules = target.query(
        "SELECT type, auth_method FROM pg_hba_file_rules WHERE type LIKE 'host%' AND error IS NULL"
    )
    assert rules, "pg_hba.conf lets nobody in over the network, the tiers included"
    assert {method for _, method in rules} <= {"scram-sha-256", "reject"}, rules


def test_every_password_is_kept_as_scram(target: Target) -> None:
    kept = target.query(
        "SELECT rolname FROM pg_authid WHERE rolpassword IS NOT NULL"
        " AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    )
    assert not kept, kept


# --- the role of the tiers --------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiers_role(target: Target) -> str:
    """The role that the tiers are connected as, asked of the server."""
    found = target.query(
        "SELECT DISTINCT usename FROM pg_stat_activity"
        " WHERE application_name LIKE 'chatire-listen%' AND datname = current_database()"
    )
    assert len(found) == 1, f"the tiers are connected as {found}"
    return found[0][0]


def test_the_tiers_role_has_no_special_right(target: Target, tiers_role: str) -> None:
    assert target.query(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        f" FROM pg_roles WHERE rolname = '{tiers_role}'"
    ) == [["f"] * 5]


FORBIDDEN = {
    "create a table": "CREATE TABLE smoke_probe (id int)",
    "create a schema": "CREATE SCHEMA smoke_probe",
    "drop a table": "DROP TABLE chat_message",
    "truncate": "TRUNCATE chat_message",
    "change a table": "ALTER TABLE chat_message ADD COLUMN smoke_probe int",
    "read password hashes of roles": "SELECT rolpassword FROM pg_authid LIMIT 1",
    "read the server's files": "SELECT pg_read_file('postgresql.conf')",
    "run programs": "COPY (SELECT 1) TO PROGRAM 'true'",
}


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_the_tiers_role_cannot(target: Target, tiers_role: str, deed: str) -> None:
    attempt = target.psql(
        f"BEGIN; SET LOCAL lock_timeout = '500ms'; SET LOCAL ROLE \"{tiers_role}\";"
        f" {FORBIDDEN[deed]}; ROLLBACK"
    )
    assert attempt.rc != 0, said(attempt)
    refusals = ("permission denied", "must be owner", "must be superuser")
    assert any(refusal in attempt.stderr for refusal in refusals), said(attempt)


def test_the_tiers_role_can_do_its_work(target: Target, tiers_role: str) -> None:
    """The refusals above mean something only if that role is let in at all."""
    done = target.psql(
        f'BEGIN; SET LOCAL ROLE "{tiers_role}"; SELECT count(*) FROM chat_message WHERE false;'
        " UPDATE chat_message SET text = text WHERE false; ROLLBACK"
    )
    assert done.rc == 0, said(done)


# --- what the tiers do there ------------------------------------------------------------------


def test_each_ws_process_holds_exactly_one_listening_connection(target: Target) -> None:
    listening = target.query(
        "SELECT application_name, count(*) FROM pg_stat_activity"
        " WHERE application_name LIKE 'chatire-listen:ws%' AND datname = current_database()"
        " GROUP BY 1"
    )
    assert len(listening) == len(target.nodes("ws")), listening
    assert {count for _, count in listening} == {"1"}, listening


def test_nothing_holds_an_advisory_lock(target: Target) -> None:
    held = target.query("SELECT pid, classid, objid FROM pg_locks WHERE locktype = 'advisory'")
    assert not held, held


def test_no_transaction_is_left_open(target: Target) -> None:
    def none_lingers() -> bool:
        return not target.query(
            "SELECT pid, application_name FROM pg_stat_activity WHERE state LIKE 'idle in trans%'"
            " AND now() - state_change > interval '2 s'"
        )

    wait_until(none_lingers, "no connection idle in a transaction")


def test_connections_leave_room_for_an_operator(target: Target) -> None:
    used, most = target.query(
        "SELECT count(*), current_setting('max_connections') FROM pg_stat_activity"
        " WHERE backend_type = 'client backend'"
    )[0]
    assert int(used) <= int(most) // 2, f"{used} of {most} connections on a quiet stack"


@pytest.mark.parametrize("table", ["channels_postgres_message", "channels_postgres_groupchannel"])
def test_the_channel_layers_tables_are_kept_out_of_the_wal(target: Target, table: str) -> None:
    assert target.value(f"SELECT relpersistence FROM pg_class WHERE relname = '{table}'") == "u"


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("channels_postgres_message", "channel"),
        ("channels_postgres_message", "expire"),
        ("channels_postgres_groupchannel", "group_key"),
        ("channels_postgres_groupchannel", "channel"),
        ("channels_postgres_groupchannel", "expire"),
    ],
)
def test_the_channel_layers_columns_are_indexed(target: Target, table: str, column: str) -> None:
    leading = target.query(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a"
        " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        f" WHERE i.indrelid = '{table}'::regclass"
    )
    assert [column] in leading, leading


def test_every_migration_is_applied(target: Target) -> None:
    checked = target.manage("migrate", "--check")
    assert checked.rc == 0, said(checked)
