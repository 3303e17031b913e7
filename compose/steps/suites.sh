# shellcheck shell=bash
# The suites of `make test`, fast ones first.

# Style, types, shell, Dockerfiles, nginx's configuration.
lint() { tools -- compose/tools/lint; }

# nginxgen: golden files, and a real nginx on loopback.
nginxgen_tests() {
    tools --network none --env "PATH=/opt/nginxgen/bin:/usr/sbin:/usr/bin:/sbin:/bin" --workdir "$root/deploy/nginx" \
        -- python -m pytest -q -p no:cacheprovider
}

# The benchmark's own arithmetic: what it counts as lost, what it calls a median.
bench_tests() {
    tools --network none --env "PATH=/opt/infra/bin:/usr/sbin:/usr/bin:/sbin:/bin" --workdir "$root/bench" \
        -- python -m pytest -q -p no:cacheprovider tests
}

# The application, against a throw-away PostgreSQL of the kit's own image. Both share one network
# that reaches nothing else. Options of pytest.
app_tests() {
    local database="chatire-unit-$BASHPID" status=0 deadline=$((SECONDS + START_SECONDS))
    docker run --detach --rm --name "$database" --label "chatire.tools=$$" --network none --tmpfs /var/lib/postgresql:uid=10010,gid=10010,mode=0700 \
        --tmpfs /run/postgresql:uid=10010,gid=10010 --shm-size 256m \
        --volume "$here/tools/pg_hba.conf:/etc/chatire/open_hba.conf:ro" \
        --env CHATIRE_SECRETS_DIR=/etc/postgresql-common/unit --volume "$here/tools/unit-passwords:/etc/postgresql-common/unit:ro" \
        "chatire/postgres:$CHATIRE_PROJECT" -c hba_file=/etc/chatire/open_hba.conf -c fsync=off -c track_commit_timestamp=on >/dev/null
    until docker exec "$database" psql -Atqc 'SELECT 1' >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "PostgreSQL for the unit tests did not start: $(docker logs "$database" 2>&1 | tail -n 1)"
        sleep 0.2
    done
    tools --network "container:$database" --env CHATIRE_ENV=test --env CHATIRE_TEST_EXAMPLES --env COVERAGE_FILE=/tmp/coverage --workdir "$root/app" \
        -- python -m pytest -q -p no:cacheprovider "$@" || status=$?
    docker rm --force "$database" >/dev/null
    return "$status"
}

# What is to be undone however this ends, last first.
cleanups=()
cleanup_add() {
    [ "${#cleanups[@]}" -gt 0 ] || trap cleanup EXIT
    cleanups=("$1" "${cleanups[@]}")
}

cleanup() {
    local undo
    trap - ERR
    # Who ends a group of processes, and make that passes it on, signal twice.
    trap : HUP INT TERM
    set +e
    [ ! -d "${parts:-}" ] || unfinished_parts
    # What runs side by side, before it begins anything else.
    jobs -p | xargs -r kill 2>/dev/null
    # What this command runs in the tools' container ends with it.
    docker ps -q --filter "label=chatire.tools=$$" | xargs -r docker kill >/dev/null 2>&1
    for undo in "${cleanups[@]}"; do $undo >/dev/null 2>&1; done
}

# Settings of the tests' own stack, which runs beside whatever is here: project, port, secrets.
# Of this machine's settings only those hold that say how packages are fetched.
test_settings() {
    local name scratch checkout
    # Another checkout on this machine may be testing as well.
    checkout=$(cksum <<<"$root")
    checkout=${checkout%% *}
    exec 6>"$state/${0##*/}.lock"
    flock -n 6 || fail "another make command is testing this checkout (it holds $state/${0##*/}.lock); wait for it to end, then run this again."
    scratch=$(mktemp -d "$state/test.XXXXXX")
    cleanup_add "rm -rf $scratch"
    ! [ -e "${CHATIRE_ENV_FILE:-$root/.env}" ] || grep -E '^CHATIRE_(CA_FILE|DEBIAN_MIRROR|DEBIAN_SECURITY_MIRROR)=' "${CHATIRE_ENV_FILE:-$root/.env}" >"$scratch/env" || :
    for name in $(compgen -e CHATIRE_); do
        case $name in CHATIRE_CA_FILE | CHATIRE_DEBIAN_*) ;; *) unset "$name" ;; esac
    done
    export CHATIRE_PROJECT=chatire-test-$checkout CHATIRE_BIND_ADDRESS=127.0.0.1
    export CHATIRE_ENV_FILE=$scratch/env CHATIRE_SECRETS_DIR=$scratch/secrets
    CHATIRE_PORT=$(free_port $((18080 + checkout % 100 * 10)))
    export CHATIRE_PORT
    read_settings
}

start_test_stack() {
    cleanup_add "env CONFIRM=yes $here/commands/destroy"
    # What an interrupted run has left has secrets that are gone.
    CONFIRM=yes "$here/commands/destroy" >/dev/null
    "$here/commands/up"
}

# free_port FIRST: the first port from there on that nobody listens on.
free_port() {
    local port
    for ((port = $1; port < $1 + 1000; port++)); do
        CHATIRE_PORT=$port port_is_taken || break
    done
    echo "$port"
}

# The page by itself: eslint, types, format; its unit tests; its weight.
page_lint() { TOOLS=page tools --network none -- compose/tools/page lint; }
page_tests() { TOOLS=page tools --network none -- compose/tools/page test; }

# python FILE or MODULE in the browser's tools, against this stack.
in_browser_tools() {
    local options
    mapfile -t options < <(engine_options)
    TOOLS=browser tools "${options[@]}" --env CHATIRE_PROJECT --env "CHATIRE_URL=$address" \
        --workdir "$root/tests/browser" -- /opt/browser/bin/python "$@"
}

# The page in a real Chromium.
browser_tests() { in_browser_tools -m pytest -q -p no:cacheprovider "$@"; }

# The stack from outside and inside.
# shellcheck disable=SC2120 # make smoke narrows it
infra_tests() {
    local options
    mapfile -t options < <(engine_options)
    tools "${options[@]}" --env CHATIRE_PROJECT --env CHATIRE_PORT --env CHATIRE_ENV_FILE --env CHATIRE_SECRETS_DIR \
        --env CHATIRE_BIND_ADDRESS --env "CHATIRE_URL=$address" \
        --env "PATH=/opt/infra/bin:/usr/sbin:/usr/bin:/sbin:/bin" --workdir "$root/tests/infra" \
        -- python -m pytest -q -p no:cacheprovider "$@"
}

# These scripts: on machines made up, and on the tests' own stack.
# shellcheck disable=SC2120 # options of pytest, for whoever narrows it by hand
compose_tests() {
    local options
    mapfile -t options < <(engine_options)
    tools "${options[@]}" --env CHATIRE_PROJECT --env CHATIRE_PORT --env CHATIRE_ENV_FILE --env CHATIRE_SECRETS_DIR \
        --env "PATH=/opt/infra/bin:/usr/sbin:/usr/bin:/sbin:/bin" --workdir "$root/tests/compose" \
        -- python -m pytest -q -p no:cacheprovider "$@"
}

# What the stack for the faults is told besides: so many clients of one address sign in and come
# back at once, and tokens run out while a scenario runs.
chaos_settings() {
    # In the file, so that make deploy and make scale inside a scenario read the same.
    printf '%s\n' CHATIRE_ACCESS_MINUTES=2 CHATIRE_NGINX_LIMITS_SIGN_INS_PER_MINUTE=6000 \
        CHATIRE_NGINX_LIMITS_SIGN_UPS_PER_MINUTE=6000 >>"$CHATIRE_ENV_FILE"
    unset CHATIRE_ACCESS_MINUTES
    read_settings
}

# chaos_results FILE: sets `results`; the tools' container sees the checkout only, and the file may
# lie anywhere.
chaos_results() {
    results=$(realpath -m "$1")
    touch "$results" || fail "the results cannot be written to $results; name a file in a folder that is there."
}

# The faults, on this stack.
chaos() {
    local options
    mapfile -t options < <(engine_options)
    [ -z "${results:-}" ] || options+=(--volume "$results:$results")
    tools "${options[@]}" --env CHATIRE_PROJECT --env CHATIRE_PORT --env CHATIRE_ENV_FILE --env CHATIRE_SECRETS_DIR \
        --env "PATH=/opt/bench/bin:/usr/sbin:/usr/bin:/sbin:/bin" --env PYTHONUNBUFFERED=1 --env "CHATIRE_SOAK_MINUTES=${MINUTES:-}" --env "CHATIRE_SOAK_SEED=${SEED:-}" --workdir "$root/tests/faults" \
        -- python chaos.py "$@"
}

# The ledger's judgement, against faults made up.
ledger_tests() {
    tools --network none --env "PATH=/opt/infra/bin:/usr/sbin:/usr/bin:/sbin:/bin" --workdir "$root/tests/faults" \
        -- python -m pytest -q -p no:cacheprovider "$@"
}
