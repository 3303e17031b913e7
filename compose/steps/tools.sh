# shellcheck shell=bash
# The tools' container: tests and lint run in it, on this checkout at the same path, as this user.

# tools [docker-run option…] -- command…; TOOLS names another of the tools' images.
tools() {
    local options=() tty=() git
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    if [ -t 0 ] && [ -t 1 ]; then tty=(--interactive --tty); fi
    # A worktree keeps its history in the checkout that it was made from.
    git=$(git -C "$root" rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || git=
    case $git in "$root"/* | '') ;; *) options+=(--volume "$git:$git:ro") ;; esac
    docker run --rm --init "${tty[@]}" --user "$(id -u):$(id -g)" --volume "$root:$root" --workdir "$root" \
        --tmpfs /tmp:mode=1777,exec --label "chatire.tools=$$" "${options[@]}" "chatire/${TOOLS:-tools}:$CHATIRE_PROJECT" "$@"
}

# The options for tests that drive the engine and talk to published ports as a user would.
engine_options() {
    local socket=/var/run/docker.sock
    case ${DOCKER_HOST:-} in unix://*) socket=${DOCKER_HOST#unix://} ;; esac
    printf '%s\n' --network host --volume "$socket:/var/run/docker.sock" --group-add "$(stat -Lc %g "$socket")"
}

# timed NAME command…: runs one part of the tests under its name, and says how long it took.
timed() {
    local name=$1 started=$SECONDS
    shift
    say "${bold}== $name${plain}"
    "$@" || fail "$name failed after $((SECONDS - started)) s; its output above says what."
    say "${dim}== $name: $((SECONDS - started)) s${plain}"
}

# side_by_side LANE…: runs these functions at the same time; ends the command when a `part` of one failed.
side_by_side() {
    local lane lanes=() beat failed started=$SECONDS
    parts=$(mktemp -d "$state/parts.XXXXXX")
    cleanup_add "rm -rf $parts"
    touch "$parts/failed"
    mkdir "$parts/.last"
    for lane in "$@"; do
        "$lane" &
        lanes+=($!)
    done
    tell_of_parts &
    beat=$!
    for lane in "${lanes[@]}"; do wait "$lane" || echo "a lane, unexpectedly" >>"$parts/failed"; done
    kill "$beat"
    wait "$beat" 2>/dev/null || :
    failed=$(paste -sd ';' "$parts/failed")
    failed_parts
    [ -z "$failed" ] || fail "failed: ${failed//;/, }; the output above says what ($((SECONDS - started)) s)."
}

# part NAME command…: one part of a lane. What it prints is shown in one piece when it has ended, and the lane goes on.
# What a part that failed printed is shown last of all, where whoever reads the end of a long log looks.
part() {
    local name=$1 started=$SECONDS output took failed=
    shift
    output=$parts/${name//\//-}
    "$@" >"$output" 2>&1 || failed=1
    took="${dim}== $name: $((SECONDS - started)) s${plain}"
    {
        flock 7
        say "${bold}== $name${plain}"
        if [ -n "$failed" ]; then
            echo "$name" >>"$parts/failed"
            mv "$output" "$parts/.last/"
            say "failed; what it printed comes at the end."
        else
            cat "$output"
            rm "$output"
        fi
        say "$took"
    } 7>>"$parts/failed"
}

# How often a person is told what is still at work, in seconds.
BEAT_SECONDS=60

# Every part that runs, and how far its output has come: who waits sees which one is waited for.
tell_of_parts() {
    local output never
    # No sleep: it would outlive this function, and keep open what the output goes to.
    exec {never}<> <(:)
    while ! read -rt "$BEAT_SECONDS" -u "$never"; do
        for output in "$parts"/*; do
            [ "${output##*/}" = failed ] || say "${dim}   … ${output##*/}: $(tail -n 1 "$output" 2>/dev/null | tail -c 80)${plain}"
        done
    done
}

# What a part that did not end had printed: the place to look for what it waited for.
unfinished_parts() {
    local output
    for output in "$parts"/*; do
        [ "${output##*/}" = failed ] || { say "== ${output##*/}, which did not end:" && cat "$output"; }
    done
    failed_parts
}

# What the parts that failed have printed, once.
failed_parts() {
    local output
    for output in "$parts"/.last/*; do
        if [ -e "$output" ]; then
            say "${bold}== ${output##*/}, which failed${plain}"
            cat "$output"
            rm "$output"
        fi
    done
}
