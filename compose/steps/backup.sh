# shellcheck shell=bash
# A backup is one file of pg_dump; a restore puts it in the place of the running database.
#
# The file is loaded into a database beside the one in use, brought up to this release, given an
# epoch of its own, and only then takes the other's name. Until that moment, which takes less than
# a second, the chat runs on; whatever fails before it has changed nothing.

BACK_SECONDS=30 # the tiers' pools find the new database within a few seconds
RESTORED=chatire_restored # beside the one in use; pg_hba.conf lets the owner in, to migrate it
BEFORE=chatire_before     # what was in use before the last restore

# in_postgres [option of docker exec…] -- command…: inside the database's container, as superuser.
in_postgres() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    docker exec "${options[@]}" "$(container_of postgres)" "$@"
}

# sql DATABASE STATEMENT…: one transaction each, stops at the first that fails.
sql() {
    local database=$1 statements=() statement
    shift
    for statement in "$@"; do statements+=(--command "$statement"); done
    in_postgres -- psql --no-psqlrc -Atq --set=ON_ERROR_STOP=1 --dbname="$database" "${statements[@]}" 2>>"$logs/backup.log"
}

# write_backup FILE: what is committed now, consistent in itself, whatever is written meanwhile.
write_backup() {
    local file=$1 unfinished=$1.unfinished
    # The tables that are not logged hold what a running process says again by itself.
    if in_postgres -- pg_dump --format=custom --no-unlogged-table-data --dbname=chatire >"$unfinished" 2>"$logs/backup.log" &&
        check_backup "$unfinished" && sync "$unfinished"; then
        mv "$unfinished" "$file"
    else
        rm -f "$unfinished"
        return 1
    fi
}

# check_backup FILE: whether pg_restore can read it and it holds a chat.
check_backup() {
    in_postgres --interactive -- pg_restore --list <"$1" 2>>"$logs/backup.log" | grep ' TABLE DATA public chat_message ' >/dev/null
}

why() { tail -n 1 "$logs/backup.log"; }

# load_backup FILE: into a database beside the one in use.
load_backup() {
    # Its roles and rights are those of compose/postgres/roles.sql, whatever cluster the file is of.
    sql postgres "DROP DATABASE IF EXISTS $RESTORED WITH (FORCE)" \
        "CREATE DATABASE $RESTORED OWNER chatire_owner TEMPLATE template0" \
        "REVOKE ALL ON DATABASE $RESTORED FROM PUBLIC" \
        "GRANT CONNECT ON DATABASE $RESTORED TO chatire_app" &&
        sql "$RESTORED" 'ALTER DEFAULT PRIVILEGES FOR ROLE chatire_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chatire_app' \
            'ALTER DEFAULT PRIVILEGES FOR ROLE chatire_owner GRANT SELECT, USAGE ON SEQUENCES TO chatire_app' \
            'GRANT USAGE ON SCHEMA public TO chatire_app' &&
        in_postgres --interactive -- pg_restore --dbname="$RESTORED" --no-owner --no-privileges --role=chatire_owner \
            --single-transaction --exit-on-error <"$1" 2>>"$logs/backup.log"
}

# Prints the migrations that the loaded backup has and the database in use has not.
migrations_of_another_release() {
    local names='SELECT app || $$.$$ || name FROM django_migrations ORDER BY 1' ours theirs
    ours=$(sql chatire "$names") && theirs=$(sql "$RESTORED" "$names") || return 1
    LC_ALL=C comm -13 <(LC_ALL=C sort <<<"$ours") <(LC_ALL=C sort <<<"$theirs")
}

migrate_restored() {
    compose run --rm --no-deps -T -e "CHATIRE_DB_NAME=$RESTORED" migrate >>"$logs/backup.log" 2>&1 &&
        sql "$RESTORED" ANALYZE
}

# take_over DATABASE: from now on it is `chatire`, with an epoch that no client has seen, and what
# was in use is $BEFORE. Either all of it happens or nothing.
#
# A renaming waits a few seconds for the sessions in a database to end, and lets no new one begin
# meanwhile; those that are there are ended beside it.
take_over() {
    local from=$1 renaming status=0
    sql "$from" 'UPDATE chat_history SET epoch = gen_random_uuid()' || return 1
    if [ "$from" != "$BEFORE" ]; then sql postgres "DROP DATABASE IF EXISTS $BEFORE WITH (FORCE)" || return 1; fi
    sql postgres "BEGIN; ALTER DATABASE chatire RENAME TO chatire_leaving; ALTER DATABASE $from RENAME TO chatire; ALTER DATABASE chatire_leaving RENAME TO $BEFORE; COMMIT" &
    renaming=$!
    while kill -0 "$renaming" 2>/dev/null; do
        sql postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('chatire', '$from') AND backend_type = 'client backend'" >/dev/null || break
        sleep 0.05
    done
    wait "$renaming" || status=$?
    return "$status"
}

# Waits until every process of the tiers serves from the database that is in use now; they find it
# by themselves.
await_tiers() {
    local tier id deadline=$((SECONDS + BACK_SECONDS))
    for tier in http ws; do
        for id in $(containers "$tier"); do
            until docker exec "$id" python3 -IS /opt/chatire/tier_health.py "$tier" >>"$logs/backup.log" 2>&1; do
                [ "$SECONDS" -lt "$deadline" ] || return 1
                sleep 0.2
            done
        done
    done
}
