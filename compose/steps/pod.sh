# shellcheck shell=bash
# Where `make bench` measures: containers that share one network namespace with nothing in it but
# loopback. No bridge and no proxy is measured, and no packet can leave the machine.

# A project of its own, whatever the settings of the stack that may run beside it.
bench_settings() {
    local name checkout
    checkout=$(cksum <<<"$root")
    for name in $(compgen -e CHATIRE_); do
        case $name in CHATIRE_CA_FILE | CHATIRE_DEBIAN_*) ;; *) unset "$name" ;; esac
    done
    scratch=$(mktemp -d "$state/bench.XXXXXX")
    cleanup_add "rm -rf $scratch"
    ! [ -e "$root/.env" ] || grep -E '^CHATIRE_(CA_FILE|DEBIAN_MIRROR|DEBIAN_SECURITY_MIRROR)=' "$root/.env" >"$scratch/env" || :
    export CHATIRE_PROJECT=chatire-bench-${checkout%% *} CHATIRE_ENV_FILE=$scratch/env CHATIRE_SECRETS_DIR=$scratch/secrets
    read_settings
    one_at_a_time
}

# Starts the container that holds the namespace. Whatever is labelled as part of the pod goes at
# the end, and before the start what an interrupted run has left.
start_pod() {
    local secret
    mkdir -p "$CHATIRE_SECRETS_DIR"
    # Of no use to anybody: nothing outside this pod reaches what they protect.
    for secret in django_secret_key jwt_signing_key postgres_owner_password postgres_password; do
        printf '%s%s' "$RANDOM$RANDOM$RANDOM" 'only-inside-the-pod-of-make-bench' >"$CHATIRE_SECRETS_DIR/$secret"
    done
    chmod 0755 "$scratch" "$CHATIRE_SECRETS_DIR" && chmod 0444 "$CHATIRE_SECRETS_DIR"/*
    remove_pod
    cleanup_add remove_pod
    # Ten thousand sockets to one port need as many local ports; handshakes may come together.
    docker run --detach --init --name "$CHATIRE_PROJECT" --label "chatire.pod=$CHATIRE_PROJECT" --network none \
        --sysctl net.core.somaxconn=4096 --sysctl net.ipv4.tcp_max_syn_backlog=4096 \
        --sysctl 'net.ipv4.ip_local_port_range=10240 65535' \
        "chatire/bench:$CHATIRE_PROJECT" sleep infinity >/dev/null
}

remove_pod() {
    docker ps -aq --filter "label=chatire.pod=$CHATIRE_PROJECT" | xargs -r docker rm --force --volumes >/dev/null 2>&1 || :
    docker volume ls -q --filter "label=chatire.pod=$CHATIRE_PROJECT" | xargs -r docker volume rm --force >/dev/null 2>&1 || :
}

# in_pod command…: in bench/, with the engine, the pod's network and a view of all processes.
in_pod() {
    local socket=/var/run/docker.sock options=()
    case ${DOCKER_HOST:-} in unix://*) socket=${DOCKER_HOST#unix://} ;; esac
    if [ -t 1 ]; then options+=(--tty); fi
    # Somebody may want the results in /tmp itself.
    if [ "${results%/*}" != /tmp ]; then options+=(--tmpfs /tmp:mode=1777); fi
    docker run --rm --init "${options[@]}" --user "$(id -u):$(id -g)" --group-add "$(stat -Lc %g "$socket")" \
        --network "container:$CHATIRE_PROJECT" --pid host --ulimit nofile=20000:20000 \
        --label "chatire.pod=$CHATIRE_PROJECT" --label "chatire.tools=$$" \
        --volume "$root:$root:ro" --volume "${results%/*}:${results%/*}" --volume "$socket:/var/run/docker.sock" \
        --env CHATIRE_PROJECT --env CHATIRE_SECRETS_DIR --env "CHATIRE_ROOT=$root" \
        --workdir "$root/bench" "chatire/bench:$CHATIRE_PROJECT" "$@"
}
