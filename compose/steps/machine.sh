# shellcheck shell=bash
# The machine: is there room for the stack, and is its port free? Changes nothing.

MEMORY_NEEDED_MB=900  # at rest the stack takes 600 MB at most, which make figures holds it to; some for load, and for what is built
DISK_NEEDED_MB=4000   # all images, their build caches and a young database
DISK_RUNNING_MB=500   # with the images there: the database's log files and the containers' logs

check_machine() {
    check_memory
    check_disk
    check_port
}

check_memory() {
    local file=${MEMINFO:-/proc/meminfo} available needed
    [ -r "$file" ] || return 0
    # What already runs has its memory.
    stack_runs && return 0
    available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' "$file") / 1024))
    needed=$((MEMORY_NEEDED_MB + $(further_workers_mb)))
    [ "$available" -ge "$needed" ] ||
        fail "$available MB of memory are available; $needed MB are needed; close something, or give this machine more."
}

check_disk() {
    local place=/var/lib needed=$DISK_NEEDED_MB free
    if [ "$engine_plan" = use ]; then
        place=${DISK_PLACE:-$(docker info --format '{{.DockerRootDir}}')}
        # A remote or a virtual engine keeps its images elsewhere: nothing to look at here.
        [ -d "$place" ] || return 0
        if images_are_there; then needed=$DISK_RUNNING_MB; fi
    fi
    free=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$needed" ] ||
        fail "$free MB of disk are free in $place; $needed MB are needed; make room there (docker system df shows what Docker holds)."
}

check_port() {
    local owner
    port_is_taken || return 0
    if [ "$engine_plan" = use ]; then
        owner=$(docker ps --filter "publish=$CHATIRE_PORT" --format '{{.Names}}|{{.Label "com.docker.compose.project"}}|{{.Label "com.docker.compose.service"}}' | head -n 1)
        case $owner in
        *"|$CHATIRE_PROJECT|nginx") return 0 ;;
        ?*) owner="container ${owner%%|*}" ;;
        esac
    fi
    [ -n "${owner:-}" ] || owner=$(port_process)
    fail "port $CHATIRE_PORT on $CHATIRE_BIND_ADDRESS is taken${owner:+ by $owner}; stop that, or choose another port: CHATIRE_PORT=8081 in .env."
}

# The kernel's table of listeners: lines of sockets in state 0A on our port, at our address or at all.
port_listeners() {
    local hex address a b c d
    printf -v hex '%04X' "$CHATIRE_PORT"
    IFS=. read -r a b c d <<<"$CHATIRE_BIND_ADDRESS"
    printf -v address '%02X%02X%02X%02X' "$d" "$c" "$b" "$a"
    [ "$CHATIRE_BIND_ADDRESS" != 0.0.0.0 ] || address='[0-9A-F]{8}'
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -E "^ *[0-9]+: ($address|00000000|0{32}|0{16}FFFF0000$address):$hex [0-9A-F]+:0000 0A " || :
}

port_is_taken() { [ -n "$(port_listeners)" ]; }

# Whose listener it is, as far as this user may see.
port_process() {
    local inode pid link
    inode=$(port_listeners | awk 'NR == 1 { print $10 }')
    for link in /proc/[0-9]*/fd/*; do
        [ "$(readlink "$link" 2>/dev/null)" = "socket:[$inode]" ] || continue
        pid=${link#/proc/} pid=${pid%%/*}
        printf '%s (process %s)' "$(cat "/proc/$pid/comm")" "$pid"
        return
    done
}
