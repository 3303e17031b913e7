# shellcheck shell=bash
# Settings: .env (or the environment, which wins), each with its default and its check.
#
# .env.example explains every variable; a name that is not in it is refused, so that a
# misspelt setting is not silently without effect.

# A line of .env is NAME=value; quotes around the value are taken off, nothing is expanded.
read_env_file() {
    local file=$1 line name value number=0
    [ -e "$file" ] || return 0
    [ -r "$file" ] || fail "$file cannot be read; make it readable for $(id -un)."
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
        [[ $line =~ ^(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] ||
            fail "${file##*/} line $number is not NAME=value; mend or remove the line."
        name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
        if [[ $value =~ ^\"(.*)\"[[:space:]]*$ || $value =~ ^\'(.*)\'[[:space:]]*$ ]]; then
            value=${BASH_REMATCH[1]}
        else
            value=${value%%[[:space:]]#*}
            value=${value%"${value##*[![:space:]]}"}
        fi
        known_setting "$name" ||
            fail "${file##*/} line $number sets $name, which is no setting of this kit; .env.example lists them all."
        [ -n "${!name+set}" ] || export "$name=$value"
    done <"$file"
}

known_setting() { [[ $1 == CHATIRE_NGINX_* ]] || grep -Eq "^#$1=" "$root/.env.example"; }

# setting NAME DEFAULT PATTERN NEEDED: gives the setting its default and checks its form.
setting() {
    local name=$1 default=$2 pattern=$3 needed=$4
    [ -n "${!name:-}" ] || export "$name=$default"
    [[ ${!name} =~ ^($pattern)$ ]] ||
        fail "$name is '${!name}'; it must be $needed; change it in .env or in the environment."
}

# range NAME LOWEST HIGHEST: what a number may be.
range() {
    local name=$1 lowest=$2 highest=$3
    if [ "${!name}" -lt "$lowest" ] || [ "${!name}" -gt "$highest" ]; then
        fail "$name is ${!name}; it must lie between $lowest and $highest; change it in .env or in the environment."
    fi
}

number() { setting "$1" "$2" '[0-9]{1,9}' 'a whole number' && range "$1" "$3" "$4"; }
memory() { setting "$1" "$2" '[1-9][0-9]*[mg]' 'a size such as 512m or 1g'; }

# What app/chatire/cores.py makes of this machine's cores; the containers have all of them.
reckoned_workers() {
    local workers=$(($(nproc) / 2))
    if [ "$workers" -lt 1 ]; then workers=1; elif [ "$workers" -gt 4 ]; then workers=4; fi
    echo "$workers"
}

HTTP_WORKERS_MB=50 # of memory, for each process of an http replica besides the first

# What the http tier takes beyond one process a replica.
further_workers_mb() { echo $((HTTP_WORKERS_MB * CHATIRE_HTTP_REPLICAS * (${CHATIRE_HTTP_WORKERS:-$(reckoned_workers)} - 1))); }

OPERATOR_CONNECTIONS=20 # the migration, backups, a psql or two, and what is kept for the superuser

# check_connections HTTP WS: whether PostgreSQL has room for all that so many replicas may open.
check_connections() {
    local workers=${CHATIRE_HTTP_WORKERS:-$(reckoned_workers)} most needed
    most=$(sed -n 's/^max_connections = //p' "$here/postgres/postgresql.conf")
    needed=$(($1 * workers * (CHATIRE_HTTP_THREADS + 1) + $2 * (CHATIRE_WS_DB_CONNECTIONS + 1) + OPERATOR_CONNECTIONS))
    [ "$needed" -le "$most" ] ||
        fail "$1 http replicas of $workers × $CHATIRE_HTTP_THREADS threads and $2 ws replicas may open $needed connections, PostgreSQL takes $most; lower CHATIRE_HTTP_WORKERS or CHATIRE_HTTP_THREADS, or the replicas."
}

read_settings() {
    local name origin='https?://[A-Za-z0-9.:-]+|https?://\[[0-9a-fA-F:]+\](:[0-9]+)?'
    export CHATIRE_ENV_FILE=${CHATIRE_ENV_FILE:-$root/.env}
    read_env_file "$CHATIRE_ENV_FILE"

    setting CHATIRE_PROJECT chatire '[a-z0-9][a-z0-9_-]*' 'a Compose project name: lower-case letters, digits, - and _'
    number CHATIRE_PORT 8080 1 65535
    setting CHATIRE_BIND_ADDRESS 127.0.0.1 '[0-9]{1,3}(\.[0-9]{1,3}){3}' 'an IPv4 address of this machine, or 0.0.0.0 for all'
    number CHATIRE_HTTP_REPLICAS 2 1 16
    number CHATIRE_WS_REPLICAS 2 1 16
    # Unset, each replica reckons it from the cores it has.
    [ -z "${CHATIRE_HTTP_WORKERS:-}" ] || number CHATIRE_HTTP_WORKERS '' 1 16
    export CHATIRE_HTTP_WORKERS=${CHATIRE_HTTP_WORKERS:-}
    number CHATIRE_HTTP_THREADS 8 1 64
    number CHATIRE_WS_MAX_SOCKETS 10000 1 1000000
    number CHATIRE_WS_FRAMES_PER_SECOND 200 1 100000
    number CHATIRE_WS_FRAMES_BURST 1000 1 1000000
    number CHATIRE_WS_OUTBOX_BYTES 1048576 65536 268435456
    number CHATIRE_WS_DB_CONNECTIONS 6 1 100
    number CHATIRE_WS_DEAF_SECONDS 60 10 3600
    number CHATIRE_WS_STUCK_SECONDS 6 0 3600
    number CHATIRE_ACCESS_MINUTES 10 1 1440
    number CHATIRE_REFRESH_DAYS 14 1 366
    number CHATIRE_DRAIN_SECONDS 20 1 3600
    check_connections "$CHATIRE_HTTP_REPLICAS" "$CHATIRE_WS_REPLICAS"
    setting CHATIRE_HTTPS 0 '0|1' '0 or 1'
    setting CHATIRE_LOG_LEVEL INFO 'DEBUG|INFO|WARNING|ERROR' 'DEBUG, INFO, WARNING or ERROR'
    memory CHATIRE_MEMORY_HTTP 384m
    memory CHATIRE_MEMORY_WS 1g
    memory CHATIRE_MEMORY_POSTGRES 1g
    memory CHATIRE_MEMORY_NGINX 512m
    setting CHATIRE_EXTRA_HOSTS '' '([A-Za-z0-9.-]+(,[A-Za-z0-9.-]+)*)?' 'host names separated by commas'
    for name in CHATIRE_EXTRA_ORIGINS CHATIRE_CORS_ORIGINS; do
        setting "$name" '' "(($origin)(,($origin))*)?" 'origins such as https://chat.example.org, separated by commas'
    done
    setting CHATIRE_SECRETS_DIR "$here/.secrets/$CHATIRE_PROJECT" '/.+' 'an absolute path'

    # Allowed on the port in use are this machine's own names, and the address that was bound to if it
    # is another; a browser leaves port 80 out. A bind to every address is reached by the former.
    local host=localhost bound='' port=":$CHATIRE_PORT"
    [ "$CHATIRE_PORT" != 80 ] || port=''
    case $CHATIRE_BIND_ADDRESS in 127.0.0.1 | 0.0.0.0) ;; *) host=$CHATIRE_BIND_ADDRESS bound=$host ;; esac
    address=http://$host$port
    export CHATIRE_ALLOWED_HOSTS="localhost,127.0.0.1${bound:+,$bound}${CHATIRE_EXTRA_HOSTS:+,$CHATIRE_EXTRA_HOSTS}"
    export CHATIRE_ORIGINS="http://localhost$port,http://127.0.0.1$port${bound:+,$address}${CHATIRE_EXTRA_ORIGINS:+,$CHATIRE_EXTRA_ORIGINS}"
    # The containers are stopped a little after the tiers' own deadline for draining.
    export CHATIRE_STOP_GRACE=$((CHATIRE_DRAIN_SECONDS + 10))s
    # What make keeps of this project.
    export CHATIRE_STATE=$state/$CHATIRE_PROJECT
    logs=$CHATIRE_STATE/logs
    mkdir -p "$logs" 2>/dev/null || :
    [ -w "$logs" ] ||
        fail "$state, where make keeps what it knows, is not yours but $(stat -c %U "$state")'s, who ran make here first; go on as that user (sudo make …)."
    # nginx's settings go to its generator as they are.
    CHATIRE_SITE=$(env | grep '^CHATIRE_NGINX_' | LC_ALL=C sort || :)
    export CHATIRE_SITE
}
