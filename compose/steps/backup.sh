# shellcheck shell=bash
# Backup and restore on compose: what deploy/postgresql/backup does in the database's container, and
# what is the stack's to do.

BACK_SECONDS=30 # the tiers' pools find the new database within a few seconds

# database COMMAND…: what it says besides its output goes to the log.
database() {
    local options=()
    case $1 in check | load) options+=(--interactive) ;; esac
    docker exec "${options[@]}" "$(container_of postgres)" bash -c "$(<"$root/deploy/postgresql/backup")" backup "$@" 2>>"$logs/backup.log"
}

# write_backup FILE: what is committed now, consistent in itself, whatever is written meanwhile.
write_backup() {
    local file=$1 unfinished=$1.unfinished
    : >"$logs/backup.log"
    if database write >"$unfinished" && database check <"$unfinished" && sync "$unfinished"; then
        mv "$unfinished" "$file"
    else
        rm -f "$unfinished"
        return 1
    fi
}

why() { tail -n 1 "$logs/backup.log"; }

migrate_restored() { compose run --rm --no-deps -T -e CHATIRE_DB_NAME=chatire_restored migrate >>"$logs/backup.log" 2>&1; }

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
