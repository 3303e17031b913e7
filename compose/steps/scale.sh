# shellcheck shell=bash
# Replicas: who holds which slot, letting surplus ones go, telling nginx.

READY_SECONDS=${READY_SECONDS:-60} # for a replica to say that it is ready; it takes a few

# slots TIER: "slot id" of each running replica, lowest slot first.
slots() {
    local tier=$1 slot host id
    while read -r slot host; do
        for id in $(containers "$tier"); do
            [ "${id:0:12}" != "$host" ] || printf '%s %s\n' "$slot" "$id"
        done
    done < <(docker exec "$(container_of "$tier")" role slots list "$tier")
}

wanted_replicas() {
    case $1 in http) echo "$CHATIRE_HTTP_REPLICAS" ;; ws) echo "$CHATIRE_WS_REPLICAS" ;; esac
}

# replicas TIER: ids of its containers, whatever state they are in.
replicas() {
    docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$CHATIRE_PROJECT" --filter "label=com.docker.compose.service=$1" \
        --filter label=com.docker.compose.oneoff=False
}

# create_more HTTP WS SERVICE…: containers of these services where there are none, and so many more
# replicas than there are; nothing is started and nothing that is there is touched. (Compose's
# --no-deps would make containers that its next `up` takes for outdated.)
create_more() {
    local http ws
    http=$(($(replicas http | wc -l) + $1)) ws=$(($(replicas ws | wc -l) + $2))
    shift 2
    CHATIRE_HTTP_REPLICAS=$http CHATIRE_WS_REPLICAS=$ws compose create --no-recreate "$@" >"$logs/create.log" 2>&1 ||
        fail "containers of $* could not be made: $(tail -n 1 "$logs/create.log"); the whole output is in $logs/create.log."
}

# await_ready ID: until its health check says so; status 1 with the reason in `unready` where it
# ended or time is up. A replica that ended is not waited for.
await_ready() {
    local id=$1 state deadline=$((SECONDS + READY_SECONDS))
    while :; do
        state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}} {{.RestartCount}}' "$id")
        case $state in
        'running healthy '*) return ;;
        'running '*' 0' | 'created '*) ;;
        *)
            unready="it ended and was started anew ${state##* } times"
            return 1
            ;;
        esac
        [ "$SECONDS" -lt "$deadline" ] || {
            unready=$(docker inspect --format '{{range .State.Health.Log}}{{.Output}}{{"\n"}}{{end}}' "$id" | grep . | tail -n 1 || :)
            unready="after $READY_SECONDS s its health check says: ${unready:-nothing}"
            return 1
        }
        sleep 0.3
    done
}

# Lets the replicas go that are more than wanted, those in the highest slots: nginx stops sending
# to them first, then they are told to stop and finish what they have.
retire_surplus() {
    local tier surplus slot id leaving=() victims=()
    for tier in http ws; do
        surplus=$(($(containers "$tier" | wc -l) - $(wanted_replicas "$tier")))
        [ "$surplus" -gt 0 ] || continue
        while read -r slot id; do
            leaving+=("$tier/$slot") victims+=("$id")
        done < <(slots "$tier" | tail -n "$surplus")
    done
    [ "${#victims[@]}" -gt 0 ] || return 0
    update_nginx "${leaving[@]}"
    docker stop --time "${CHATIRE_STOP_GRACE%s}" "${victims[@]}" >/dev/null
    docker rm --force "${victims[@]}" >/dev/null
}

# update_nginx [TIER/SLOT…]: nginx knows the slots that are held, but for those named.
update_nginx() {
    local without=()
    [ "$#" -eq 0 ] || without=(--without "$@")
    compose run --rm --no-deps -T nginx-config nginx-config "${without[@]}" >"$logs/nginx-config.log" 2>&1 ||
        fail "nginx's configuration could not be written: $(grep -v '^ Container' "$logs/nginx-config.log" | tail -n 1)"
    reload_nginx
}

# nginx with what nginx.conf says now; workers with open tunnels live on until those are closed.
reload_nginx() {
    local said
    said=$(docker exec "$(container_of nginx)" nginx-reload 2>&1) ||
        fail "nginx keeps its old configuration: $(tail -n 1 <<<"$said")"
}

# keep_setting NAME VALUE: writes it into .env, so that the next `make up` keeps it.
keep_setting() {
    local name=$1 value=$2 file=$CHATIRE_ENV_FILE
    [ -e "$file" ] || : >"$file"
    if grep -q "^$name=" "$file"; then
        sed -i "s/^$name=.*/$name=$value/" "$file"
    else
        # A last line without its end would swallow what is added.
        [ -z "$(tail -c 1 "$file")" ] || printf '\n' >>"$file"
        printf '%s=%s\n' "$name" "$value" >>"$file"
    fi
}
