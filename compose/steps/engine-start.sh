# shellcheck shell=bash
# Starts an installed Docker: by systemd or OpenRC where they run, else dockerd itself.

ENGINE_START_SECONDS=60 # a first start makes its storage and its networks
DOCKERD_LOG=${DOCKERD_LOG:-/var/log/dockerd.log}
ENGINE_RUN=${ENGINE_RUN:-/var/run} # where it keeps its pid file and sockets

start_engine() {
    local how log pid=''
    if [ -d /run/systemd/system ]; then
        how='systemctl start docker' log='journalctl -u docker'
        note "starting Docker ($how)"
        systemctl reset-failed docker >/dev/null 2>&1 || :
        systemctl start docker || fail "systemd could not start docker; see: $log."
    elif [ -d /run/openrc ] && command -v rc-service >/dev/null; then
        how='rc-service docker start' log=/var/log/docker.log
        note "starting Docker ($how)"
        rc-service docker start >/dev/null || fail "OpenRC could not start docker; see $log."
    else
        how='dockerd' log=$DOCKERD_LOG
        note "starting dockerd by hand, as no service manager runs here (log: $log)"
        forget_dead_engine
        # Descriptors 6 and 8 are this command's locks: they must not live on in the engine.
        setsid nohup dockerd >>"$log" 2>&1 </dev/null 6>&- 8>&- &
        pid=$!
        # It outlives this command, which neither waits for it nor ends it with its own jobs.
        disown "$pid"
    fi
    local deadline=$((SECONDS + ENGINE_START_SECONDS))
    until engine_answers; do
        if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
            fail "dockerd ended at once: $(dockerd_complaint); the whole log is $log."
        fi
        [ "$SECONDS" -lt "$deadline" ] ||
            fail "Docker was started ($how) but has not answered for $ENGINE_START_SECONDS s; see $log."
        sleep 0.3
    done
}

# A dockerd that was killed leaves its pid file and sockets behind, and the next one refuses to
# start when another process has got that number meanwhile.
forget_dead_engine() {
    local file pid
    for file in "$ENGINE_RUN/docker.pid" "$ENGINE_RUN/docker/containerd/containerd.pid"; do
        [ -f "$file" ] || continue
        pid=$(tr -cd '0-9' <"$file")
        # A dead process that nobody has waited for still has a number, but no program.
        case $(readlink "/proc/${pid:-none}/exe" 2>/dev/null) in
        */dockerd | */containerd) fail "a ${file##*/} names process $pid, which runs but does not answer; end it (kill $pid), then run this again." ;;
        *) rm -f "$file" ;;
        esac
    done
    rm -f "$ENGINE_RUN/docker.sock" "$ENGINE_RUN"/docker/containerd/containerd*.sock{,.ttrpc}
}

dockerd_complaint() {
    { grep -E 'level=(fatal|error)|failed to start daemon' "$DOCKERD_LOG" || tail -n 1 "$DOCKERD_LOG"; } | tail -n 1 | cut -c 1-300
}
