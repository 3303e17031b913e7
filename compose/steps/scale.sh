# shellcheck shell=bash
# Replicas: who holds which slot, letting surplus ones go, telling nginx.

# slots TIER: "slot id" of each running replica, lowest slot first.
slots() {
    local tier=$1 id lock name
    docker exec "$(container_of "$tier")" grep -H . -r /run/chatire/"$tier" --include='*.lock' |
        while IFS=: read -r lock name; do
            lock=${lock##*/}
            for id in $(containers "$tier"); do
                [ "${id:0:12}" != "$name" ] || printf '%s %s\n' "${lock%.lock}" "$id"
            done
        done | sort -n
}

wanted_replicas() {
    case $1 in http) echo "$CHATIRE_HTTP_REPLICAS" ;; ws) echo "$CHATIRE_WS_REPLICAS" ;; esac
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
