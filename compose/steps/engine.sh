# shellcheck shell=bash
# The container engine: whether one answers, and whether it is new enough.

ENGINE_NEEDED=20.10  # the first with BuildKit's secrets and the API that Compose 2 speaks
COMPOSE_NEEDED=2.20  # depends_on with conditions, `up --wait`, `config --hash`
ENGINE_PATIENCE=20   # seconds; an engine that is there answers in less than one

# Sets engine_plan: use | start | install, or ends with one line that says what is in the way.
# Changes nothing.
check_engine() {
    engine_plan='' engine_error='' plugins_missing=''
    if command -v docker >/dev/null; then
        if engine_answers; then
            engine_plan=use
            check_engine_version
            check_plugins
            return
        fi
        case $engine_error in
        *'permission denied'*)
            fail "the engine's socket is closed to $(id -un); add yourself to its group (sudo usermod -aG docker $(id -un), then sign in again) or run this as root."
            ;;
        esac
        if [ -n "${DOCKER_HOST:-}" ]; then
            fail "DOCKER_HOST is '$DOCKER_HOST' and no engine answers there ($engine_error); start that engine or unset DOCKER_HOST."
        fi
        local context
        context=$(docker context show 2>/dev/null) || context=default
        if [ "$context" != default ]; then
            fail "no engine answers in the docker context '$context' ($engine_error); start it (Docker Desktop?), or choose another: docker context use default."
        fi
    fi
    if command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] || [ -x /usr/local/bin/dockerd ]; then
        engine_plan=start
        [ "$(id -u)" -eq 0 ] ||
            fail "Docker is installed but does not answer, and only root can start it; run: sudo systemctl start docker (or: sudo make up)."
    else
        engine_plan=install
        check_can_install "no container engine was found"
    fi
}

# Sets engine_version, or engine_error. `docker info` would do less well: some clients end with 0
# although no server answered.
engine_answers() {
    local said
    if said=$(timeout "$ENGINE_PATIENCE" docker version --format '{{.Server.Version}}' 2>&1) && [ -n "$said" ]; then
        engine_version=$said
        return
    fi
    engine_error=$(tr '\n' ' ' <<<"${said:-no answer in $ENGINE_PATIENCE s}")
    return 1
}

check_engine_version() {
    at_least "$engine_version" "$ENGINE_NEEDED" ||
        fail "the container engine is version $engine_version; $ENGINE_NEEDED or newer is needed; upgrade it (Debian's docker.io, or your own Docker)."
}

# The engine is there: are Compose and buildx?
check_plugins() {
    plugins_missing=''
    compose_version=$(docker compose version --short 2>/dev/null) || compose_version=''
    if [ -z "$compose_version" ]; then
        plugins_missing=docker-compose
    elif ! at_least "$compose_version" "$COMPOSE_NEEDED"; then
        fail "Docker Compose is version $compose_version; $COMPOSE_NEEDED or newer is needed; upgrade the compose plugin."
    fi
    # A client from 23 on builds through the buildx plugin, older ones have BuildKit in themselves.
    if ! docker buildx version >/dev/null 2>&1; then
        plugins_missing="$plugins_missing docker-buildx"
    fi
    plugins_missing=${plugins_missing# }
    [ -z "$plugins_missing" ] || check_can_install "the docker client lacks its plugin ${plugins_missing/ / and }"
}

# at_least FOUND NEEDED: compares versions number by number; what follows them does not count.
at_least() {
    local found=${1#v} needed=$2
    found=${found%%[!0-9.]*}
    [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ]
}

# The part with impact: makes an engine answer that can build and compose.
ensure_engine() {
    begin Engine
    case $engine_plan in
    install)
        install_engine
        start_engine
        ;;
    start) start_engine ;;
    esac
    engine_answers || fail "the container engine does not answer after it was started: $engine_error"
    check_engine_version
    check_plugins
    if [ -n "$plugins_missing" ]; then
        install_plugins
        check_plugins
        [ -z "$plugins_missing" ] || fail "$plugins_missing was installed, but the client $(command -v docker) does not find it; install the plugin for that client."
    fi
    end "Docker $engine_version, Compose $compose_version"
}

# For commands that need an engine but do not make one.
require_engine() {
    check_engine
    [ "$engine_plan" = use ] || fail "no container engine answers; make up starts or installs one."
    [ -z "$plugins_missing" ] || fail "the docker client lacks its plugin ${plugins_missing/ / and }; make up installs it."
}
