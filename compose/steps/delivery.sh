# shellcheck shell=bash
# The last step: a message posted over HTTP arrives on a WebSocket, through nginx.

PUBLISHED_SECONDS=10 # the engine's proxy is there as soon as the container runs

check_delivery() {
    begin Delivery
    local result
    check_published
    result=$(compose run --rm --no-deps -T check 2>"$logs/delivery.log") || {
        clean_up_check "$result"
        fail "the stack runs, but no message came through: $(grep -v '^ Container' "$logs/delivery.log" | tail -n 1); make logs shows what the services say."
    }
    clean_up_check "$result"
    end "$(sed -n 's/^delivered: //p' <<<"$result")"
}

# From outside, as a browser would: does the published port answer?
check_published() {
    local host=$CHATIRE_BIND_ADDRESS deadline=$((SECONDS + PUBLISHED_SECONDS))
    [ "$host" != 0.0.0.0 ] || host=127.0.0.1
    until (exec 3<>"/dev/tcp/$host/$CHATIRE_PORT") 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] ||
            fail "nginx is healthy, but port $CHATIRE_PORT on $host does not answer; look at the engine's port publishing (docker port $(container_of nginx | cut -c 1-12))."
        sleep 0.2
    done
}

# The check tells whom it made; accounts are removed where the database is at hand.
clean_up_check() {
    local prefix
    prefix=$(sed -n 's/^prefix: //p' <<<"$1")
    [ -n "$prefix" ] || return 0
    docker exec "$(container_of http)" role manage smoke_cleanup --prefix "$prefix" >>"$logs/delivery.log" 2>&1 ||
        note "the check's accounts ($prefix…) could not be removed; see $logs/delivery.log"
}
