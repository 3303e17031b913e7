# shellcheck shell=bash
# The images: each is built when one of its inputs has changed since it was built.
#
# What went into an image is a hash in its label. So nothing is asked of the network, or of the
# engine's build cache, as long as the sources are the same. Each project has a tag of its own, so
# that two stacks of different sources do not take each other's images.

STACK_IMAGES='postgres app nginx'

# image_inputs NAME: the files and folders that its Dockerfile copies from.
image_inputs() {
    case $1 in
    postgres) echo compose/postgres ;;
    app) echo compose/app app deploy/nginx/nginxgen deploy/nginx/requirements.txt release LICENSE ;;
    nginx) echo compose/nginx ;;
    faults) echo compose/faults ;;
    tools) echo compose/tools app/requirements-dev.txt deploy/nginx/requirements.txt deploy/nginx/requirements-dev.txt tests/infra/requirements.txt bench/requirements.txt ;;
    page) echo "$(image_inputs tools)" app/frontend/package.json app/frontend/package-lock.json ;;
    browser) echo "$(image_inputs page)" tests/browser/requirements.txt ;;
    bench) echo compose/bench bench/requirements-run.txt bench/designs/requirements.txt bench/designs/socketio/package.json bench/designs/socketio/package-lock.json ;;
    esac
}

# Prints the hash of all that goes into an image.
image_fingerprint() {
    local name=$1 not=(-name node_modules -o -name __pycache__ -o -name '.*_cache' -o -name coverage)
    [ "$name" != app ] || not+=(-o -path app/frontend/dist -o -path app/frontend/tests -o -path app/tests -o -path app/static)
    (
        cd "$root" || exit
        docker image inspect --format '{{.Id}}' "$BASE"
        # shellcheck disable=SC2046 # words, on purpose
        find $(image_inputs "$name") \( "${not[@]}" \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    ) | sha256sum | cut -d ' ' -f 1
}

# image_label NAME [TAG]: the hash of what went into it; nothing where there is none.
image_label() { docker image inspect --format '{{index .Config.Labels "chatire.inputs"}}' "chatire/$1:${2:-$CHATIRE_PROJECT}" 2>/dev/null || :; }

# image_twin NAME FINGERPRINT: any image of it that was built from the same.
image_twin() { docker image ls --quiet --filter "reference=chatire/$1" --filter "label=chatire.inputs=$2" | head -n 1; }

images_are_there() {
    local name
    for name in $STACK_IMAGES; do
        docker image inspect "chatire/$name:$CHATIRE_PROJECT" >/dev/null 2>&1 || return 1
    done
}

# ensure_images NAME…: builds those that are missing or out of date, side by side.
ensure_images() {
    local name fingerprint twin before built=() unchanged=() pids=() i
    begin Images
    before=$(image_id "$(release_image)")
    # Another stack of this checkout may be building them just now.
    exec 7>"$state/images.lock"
    flock 7
    for name in "$@"; do
        fingerprint=$(image_fingerprint "$name")
        if [ "$(image_label "$name")" = "$fingerprint" ]; then
            unchanged+=("$name")
            continue
        fi
        if [ "$name" = app ] && [ "$(image_label app "$CHATIRE_PROJECT.withdrawn")" = "$fingerprint" ]; then
            note "the source is the version that was rolled back; $(version_of "$(release_image)") stays (make deploy brings it again)"
            unchanged+=("$name")
            continue
        fi
        twin=$(image_twin "$name" "$fingerprint")
        if [ -n "$twin" ]; then
            docker tag "$twin" "chatire/$name:$CHATIRE_PROJECT"
            unchanged+=("$name")
            continue
        fi
        [ "${#built[@]}" -gt 0 ] || prepare_fetching
        built+=("$name")
        build_image "$name" "$fingerprint" "$CHATIRE_PROJECT" &
        pids+=($!)
    done
    [ "${#built[@]}" -eq 0 ] || note "building ${built[*]} (logs: $logs/build-….log)"
    for i in "${!pids[@]}"; do
        wait "${pids[$i]}" || build_failed "${built[$i]}" "${pids[@]}"
    done
    exec 7>&-
    keep_previous "$before"
    end "${built:+built ${built[*]}}${built:+${unchanged:+; }}${unchanged:+${unchanged[*]} unchanged}"
}

# ensure_next: the release of the working tree as PROJECT.next, beside what runs.
ensure_next() {
    local fingerprint twin
    begin Build
    exec 7>"$state/images.lock"
    flock 7
    fingerprint=$(image_fingerprint app)
    twin=$(image_twin app "$fingerprint")
    if [ -n "$twin" ]; then
        docker tag "$twin" "$(release_image next)"
    else
        prepare_fetching
        note "building $(working_version "$fingerprint") (log: $logs/build-app.log)"
        build_image app "$fingerprint" "$CHATIRE_PROJECT.next" || build_failed app
    fi
    exec 7>&-
    end "$(version_of "$(release_image next)")${twin:+ is built already}"
}

build_image() {
    local name=$1 fingerprint=$2 tag=$3 folder=$here/$1 target=() labels=()
    case $name in
    tools | page | browser) folder=$here/tools target=(--target "$name") ;;
    app) folder=$root/release target=(--target image) labels=(--label "chatire.version=$(working_version "$fingerprint")") ;;
    esac
    # Descriptors 7 and 8 are locks.
    DOCKER_BUILDKIT=1 docker build --progress plain -f "$folder/Dockerfile" "${target[@]}" \
        -t "chatire/$name:$tag" --build-arg "BASE=$BASE" --label "chatire.inputs=$fingerprint" "${labels[@]}" \
        "${fetch_arguments[@]}" "$root" >"$logs/build-$name.log" 2>&1 7>&- 8>&-
}

build_failed() {
    local name=$1
    shift
    [ "$#" -eq 0 ] || kill "$@" 2>/dev/null || :
    [ -z "$on_terminal" ] || printf '\r\e[K'
    tail -n 25 "$logs/build-$name.log" >&2
    fail "the image $name could not be built; its log, $logs/build-$name.log, ends as above. What was built before is kept: mend the cause and run this again."
}
