# shellcheck shell=bash
# The running stack: starting, scaling and looking at it.

START_SECONDS=150 # a first start makes the database; later ones take seconds

compose() { docker compose --env-file /dev/null -f "$here/compose.yaml" "${compose_overlays[@]}" "$@"; }
compose_overlays=()

# containers SERVICE: ids of its containers, by their number, running ones only.
containers() {
    docker ps --no-trunc --filter "label=com.docker.compose.project=$CHATIRE_PROJECT" --filter "label=com.docker.compose.service=$1" \
        --filter label=com.docker.compose.oneoff=False --format '{{.Label "com.docker.compose.container-number"}} {{.ID}}' | sort -n | cut -d ' ' -f 2
}

container_of() { containers "$1" | head -n 1; }

stack_runs() {
    [ "${engine_plan:-use}" = use ] && [ -n "$(container_of nginx)" ] && [ -n "$(container_of postgres)" ]
}

# Whether every container is what the settings and images say now, and as it should be: the
# services healthy, the one-shots done.
stack_is_current() {
    local service wanted found hashes ids
    hashes=$(compose config --hash '*')
    for service in postgres migrate http ws nginx-config nginx; do
        wanted=1
        case $service in http | ws) wanted=$(wanted_replicas "$service") ;; esac
        mapfile -t ids < <(docker ps -aq --filter "label=com.docker.compose.project=$CHATIRE_PROJECT" --filter "label=com.docker.compose.service=$service" --filter label=com.docker.compose.oneoff=False)
        [ "${#ids[@]}" -eq "$wanted" ] || return 1
        wanted="$(sed -n "s/^$service //p" <<<"$hashes") $(docker image inspect --format '{{.Id}}' "$(image_of "$service")")"
        case $service in
        migrate | nginx-config) wanted="exited 0 $wanted" ;;
        *) wanted="running healthy $wanted" ;;
        esac
        found=$(docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.ExitCode}}{{end}} {{index .Config.Labels "com.docker.compose.config-hash"}} {{.Image}}' "${ids[@]}" | sort -u)
        [ "$found" = "$wanted" ] || return 1
    done
}

image_of() {
    case $1 in postgres | nginx) echo "chatire/$1:$CHATIRE_PROJECT" ;; *) echo "chatire/app:$CHATIRE_PROJECT" ;; esac
}

start_stack() {
    begin Services
    if stack_is_current; then
        end 'all run and are healthy; nothing to change'
        return
    fi
    local nginx_before conf_before='' nginx_after
    nginx_before=$(container_of nginx)
    [ -z "$nginx_before" ] || conf_before=$(loaded_conf "$nginx_before")
    note 'starting postgres, migrate, http and ws, nginx'
    [ -z "$nginx_before" ] || retire_surplus
    compose up -d --wait --wait-timeout "$START_SECONDS" --remove-orphans >"$logs/up.log" 2>&1 || start_failed
    nginx_after=$(container_of nginx)
    if [ "$nginx_before" = "$nginx_after" ] && [ "$conf_before" != "$(loaded_conf "$nginx_after")" ]; then
        reload_nginx
    fi
    # What was replaced; the label leaves everybody else's images alone.
    docker image prune --force --filter label=chatire.inputs >/dev/null
    end "http × $CHATIRE_HTTP_REPLICAS, ws × $CHATIRE_WS_REPLICAS, postgres, nginx are healthy"
}

loaded_conf() { docker exec "$1" sha256sum /var/lib/chatire/nginx/nginx.conf; }

# What went wrong is in the log of the first service that is not as it should be.
start_failed() {
    local service id state
    [ -z "$on_terminal" ] || printf '\r\e[K'
    for service in postgres migrate http ws nginx-config nginx; do
        for id in $(docker ps -aq --filter "label=com.docker.compose.project=$CHATIRE_PROJECT" --filter "label=com.docker.compose.service=$service"); do
            state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$id")
            case $state in
            'exited 0 '* | 'running 0 ' | *' healthy' | created*) continue ;;
            esac
            docker logs --tail 20 "$id" >&2 || :
            fail "$service did not come up ($state); its log ends as above, and make logs shows the rest. Mend the cause and run make up again."
        done
    done
    fail "the services could not be started: $(grep -v '^ Container' "$logs/up.log" | tail -n 1); the whole output is in $logs/up.log."
}

# For commands that work on a running stack.
require_stack() {
    local service
    for service in nginx http postgres; do
        [ -n "$(container_of "$service")" ] || fail "$service of '$CHATIRE_PROJECT' is not running; make up starts it."
    done
}
