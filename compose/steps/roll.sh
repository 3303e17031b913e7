# shellcheck shell=bash
# A release under traffic: beside the old one, proven by a message, then in its place.
#
# What a roll has come to is in $CHATIRE_STATE/roll, so that the next command can end one that was
# killed: until all is handed over and proven it is undone, from then on it is finished.

REPLICA_NEEDED_MB=150 # of memory, for each replica that starts beside the old ones

roll_file() { printf '%s/roll' "$CHATIRE_STATE"; }

# record_roll PHASE: beside | settled; with the image and the replicas that run until then.
record_roll() {
    printf 'phase=%s\nimage=%s\nold=%s\n' "$1" "$roll_image" "$roll_old" >"$(roll_file).new"
    mv "$(roll_file).new" "$(roll_file)"
}

roll_is_open() { [ -e "$(roll_file)" ]; }

read_roll() {
    local file
    file=$(roll_file)
    roll_phase=$(sed -n 's/^phase=//p' "$file") roll_image=$(sed -n 's/^image=//p' "$file")
    roll_old=$(sed -n 's/^old=//p' "$file")
}

# settle_roll: ends what a killed deploy or rollback has left.
settle_roll() {
    roll_is_open || return 0
    begin Settle
    read_roll
    case $roll_phase in
    settled)
        note 'a roll was cut off when all was handed over: finishing it'
        finish_roll
        ;;
    *)
        note 'a roll was cut off before all was handed over: undoing it'
        undo_roll
        ;;
    esac
    end "$(version_of "$(release_image)") runs"
}

# roll IMAGE: takes it into use in place of what runs. Ends the command, with all as before, when
# it does not come up.
roll() {
    local tier id
    roll_image=$(image_id "$(release_image)")
    roll_old=$({ replicas http && replicas ws; } | paste -sd ' ')
    record_roll beside
    # Whatever ends this from here on, an interrupt or an error: what ran before runs again.
    trap abandon_roll EXIT
    docker tag "$1" "$(release_image)"

    begin Migrate
    run_once migrate
    end "$(migrated_what)"

    begin Start
    for tier in http ws; do
        reserve_beyond "$tier"
    done
    start_beside
    for id in $(new_replicas http) $(new_replicas ws); do
        await_ready "$id" || {
            docker logs --tail 20 "$id" >&2 || :
            fail "$(version_of "$(release_image)") did not become ready: $unready; the log of a replica of it ends as above. What ran before has served all along and runs on."
        }
    done
    end "http × $(new_replicas http | wc -l), ws × $(new_replicas ws | wc -l) are ready beside the old ones"

    begin Prove
    prove_replicas
    end "a message went through each new replica"

    # ws first: who hears understands what a new http replica publishes.
    begin 'Hand over'
    hand_over ws new_replicas
    hand_over http new_replicas
    publish
    end 'new connections go to the new replicas'
    check_delivery
    record_roll settled
    trap - EXIT

    begin Drain
    finish_roll
    end 'the old replicas are gone'
}

# abandon_roll: on the way out of a command that did not get through.
abandon_roll() {
    local status=$?
    trap - EXIT ERR
    roll_is_open || exit "$status"
    read_roll
    [ "$roll_phase" = beside ] || exit "$status"
    step_name=Undo
    undo_roll
    note "$(version_of "$(release_image)") runs on; nothing was handed over for good"
    exit "$status"
}

# --- steps ----------------------------------------------------------------------------------

old_replicas() { comm -12 <(replicas "$1" | sort) <(tr ' ' '\n' <<<"$roll_old" | sort); }
new_replicas() { comm -23 <(replicas "$1" | sort) <(tr ' ' '\n' <<<"$roll_old" | sort); }

# run_once SERVICE: a one-shot service of the release in use, in a new container.
run_once() {
    local ids id code
    mapfile -t ids < <(replicas "$1")
    [ "${#ids[@]}" -eq 0 ] || docker rm --force "${ids[@]}" >/dev/null
    create_more 0 0 "$1"
    id=$(replicas "$1")
    docker start "$id" >/dev/null
    code=$(docker wait "$id")
    [ "$code" -eq 0 ] || {
        docker logs --tail 20 "$id" >&2 || :
        fail "$1 ended with status $code; its log ends as above. What ran before runs on."
    }
}

migrated_what() {
    local applied
    applied=$(docker logs "$(replicas migrate | head -n 1)" 2>&1 | grep -c '^ *Applying ' || :)
    [ "$applied" -eq 0 ] && echo 'no migration to apply' || echo "applied $applied migrations"
}

# slots_of TIER …: `role slots …` in a replica of that tier, the longest there.
slots_of() { docker exec "$(container_of "$1")" role slots "${@:2}"; }

# known_slots TIER: the slots that nginx asks.
known_slots() {
    docker exec "$(container_of nginx)" cat /var/lib/chatire/nginx/nginx.conf |
        sed -n "s,.*server unix:/run/chatire/$1/\([0-9]*\)\.sock .*,\1,p" | sort -n
}

# Replicas that start from now on take slots that nginx does not ask.
reserve_beyond() {
    local tier=$1 highest
    highest=$(known_slots "$tier" | tail -n 1)
    [ "${highest:-0}" -ge "$(wanted_replicas "$tier")" ] || highest=$(wanted_replicas "$tier")
    slots_of "$tier" reserve "$tier" $((highest + 1))
}

start_beside() {
    note "starting http × $CHATIRE_HTTP_REPLICAS, ws × $CHATIRE_WS_REPLICAS beside the old ones"
    create_more "$CHATIRE_HTTP_REPLICAS" "$CHATIRE_WS_REPLICAS" http ws
    # shellcheck disable=SC2046 # ids
    docker start $(new_replicas http) $(new_replicas ws) >/dev/null
}

# A message through each new process, by itself; side by side, as starting Django takes its time.
prove_replicas() {
    local tier id pids=() n=0
    rm -f "$logs"/prove-*.log
    for tier in ws http; do
        for id in $(new_replicas "$tier"); do
            n=$((n + 1))
            docker exec "$id" role manage round_trip "$tier" "unix:/run/chatire/$tier/replica-${id:0:12}.sock" >"$logs/prove-$n.log" 2>&1 &
            pids+=($!)
        done
    done
    for n in "${!pids[@]}"; do
        wait "${pids[$n]}" ||
            fail "$(version_of "$(release_image)") is ready, but no message came through it: $(tail -n 1 "$logs/prove-$((n + 1)).log"). What ran before has served all along and runs on."
    done
}

# hand_over TIER new_replicas|old_replicas: those serve in the slots that nginx asks.
hand_over() {
    local tier=$1 ids id slot serving
    mapfile -t ids < <("$2" "$tier")
    mapfile -t serving < <({ known_slots "$tier"; seq "$(wanted_replicas "$tier")"; } | sort -nu)
    for slot in "${serving[@]}"; do
        [ "${#ids[@]}" -gt 0 ] || return 0
        id=${ids[0]} ids=("${ids[@]:1}")
        slots_of "$tier" give "$tier" "$slot" "${id:0:12}" ||
            fail "the slot $slot of $tier could not be handed over; run make deploy again."
    done
}

# publish: the release's page, and nginx.conf; nginx is reloaded only where that says something new.
publish() {
    local before
    before=$(loaded_conf "$(container_of nginx)")
    run_once nginx-config
    [ "$before" = "$(loaded_conf "$(container_of nginx)")" ] || reload_nginx
}

# let_go ID…: they finish what they have, and are removed.
let_go() {
    [ "$#" -gt 0 ] || return 0
    docker stop --time "${CHATIRE_STOP_GRACE%s}" "$@" >/dev/null
    docker rm --force "$@" >/dev/null
}

finish_roll() {
    local tier
    # shellcheck disable=SC2046 # ids
    let_go $(old_replicas http) $(old_replicas ws)
    for tier in http ws; do slots_of "$tier" reserve "$tier"; done
    keep_previous "$roll_image"
    rm -f "$(roll_file)"
    docker image rm "$(release_image next)" >/dev/null 2>&1 || :
}

# undo_roll: the old replicas serve, the new ones are gone, the old release is what `make up` starts.
undo_roll() {
    local tier new refused
    refused=$(image_id "$(release_image)")
    docker tag "$roll_image" "$(release_image)"
    [ "$refused" = "$roll_image" ] || docker tag "$refused" "$(release_image withdrawn)"
    for tier in http ws; do
        [ -z "$(old_replicas "$tier")" ] || [ -z "$(containers "$tier")" ] || hand_over "$tier" old_replicas
    done
    new=$(new_replicas http; new_replicas ws)
    # shellcheck disable=SC2086 # ids
    let_go $new
    for tier in http ws; do
        [ -z "$(containers "$tier")" ] || slots_of "$tier" reserve "$tier"
    done
    if [ -n "$(container_of nginx)" ] && [ -n "$(container_of postgres)" ]; then
        run_once migrate
        publish
    fi
    rm -f "$(roll_file)"
    docker image rm "$(release_image next)" >/dev/null 2>&1 || :
}

# --- before and after -----------------------------------------------------------------------

# Both releases run side by side for a while.
check_room_beside() {
    local file=${MEMINFO:-/proc/meminfo} available needed
    [ -r "$file" ] || return 0
    available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' "$file") / 1024))
    needed=$((REPLICA_NEEDED_MB * (CHATIRE_HTTP_REPLICAS + CHATIRE_WS_REPLICAS) + $(further_workers_mb)))
    [ "$available" -ge "$needed" ] ||
        fail "$available MB of memory are available; $needed MB are needed to run the new replicas beside the old ones; make room, or use fewer (make scale)."
}

# nginx and PostgreSQL are no part of the application: to replace them, make up ends what they hold.
tell_what_is_left() {
    local name left=()
    for name in postgres nginx; do
        [ "$(image_label "$name")" = "$(image_fingerprint "$name")" ] || left+=("$name")
    done
    [ "${#left[@]}" -eq 0 ] || say "Not part of a deploy: ${left[*]} changed as well; make up replaces it, which cuts connections for some seconds."
}
