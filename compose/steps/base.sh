# shellcheck shell=bash
# The base of all images: debian:trixie-slim where a registry answers, else the same made
# from Debian's packages with mmdebstrap.

BASE=chatire/base:trixie
REGISTRY_PATIENCE=60 # seconds for a pull of 30 MB; where no registry is reached it fails at once

ensure_base() {
    begin Base
    if docker image inspect "$BASE" >/dev/null 2>&1; then
        end "$BASE is there ($(docker image inspect --format '{{index .Config.Labels "chatire.made-by"}}' "$BASE"))"
        return
    fi
    if timeout "$REGISTRY_PATIENCE" docker pull -q "debian:$RELEASE-slim" >"$logs/base.log" 2>&1; then
        # Built once under its own name, so that a later pull of the same tag rebuilds nothing.
        printf 'FROM debian:%s-slim\n' "$RELEASE" |
            docker build -q -t "$BASE" --label "chatire.made-by=debian:$RELEASE-slim" - >>"$logs/base.log" 2>&1
        end "made from debian:$RELEASE-slim"
        return
    fi
    bootstrap_base
}

bootstrap_base() {
    local why
    why=$(tail -n 1 "$logs/base.log")
    prepare_fetching
    [ -n "$mirror_main" ] ||
        fail "debian:$RELEASE-slim cannot be pulled (${why:-no answer in $REGISTRY_PATIENCE s}) and no Debian mirror is known here to make it from; give the engine a registry, or set CHATIRE_DEBIAN_MIRROR."
    if ! command -v mmdebstrap >/dev/null; then
        check_can_install "debian:$RELEASE-slim cannot be pulled (${why:-no answer}), so mmdebstrap is needed to make it" "install mmdebstrap"
        note "no registry answers: installing mmdebstrap from Debian's packages"
        refresh_package_lists
        apt_install mmdebstrap mmdebstrap debian-archive-keyring
    fi
    [ "$(id -u)" -eq 0 ] || command -v newuidmap >/dev/null ||
        fail "debian:$RELEASE-slim cannot be pulled (${why:-no answer}), and making it without root needs newuidmap; run this once as root, or install uidmap."
    note "no registry answers: making $BASE from Debian's packages"
    local tar=$state/base.tar keep=()
    [ -z "$mirror_keyring" ] || keep=(--keyring="$mirror_keyring")
    # The sources are left out: builds are handed this machine's own (see mirror.sh).
    # shellcheck disable=SC2016 # $1 is the new root, for mmdebstrap's own shell
    mmdebstrap --quiet --variant=minbase --components=main "${keep[@]}" \
        --aptopt="$state/fetch/apt_conf_here" --aptopt="Acquire::https::CaInfo \"$ca_file\"" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --customize-hook='rm -f "$1/etc/apt/sources.list" "$1/etc/apt/apt.conf.d/99mmdebstrap"; : >"$1/etc/apt/sources.list.d/debian.sources"' \
        "$RELEASE" "$tar" "$mirror_main" >"$logs/base.log" 2>&1 ||
        fail "mmdebstrap could not make the base image: $(grep -m 1 '^E:' "$logs/base.log"); the whole output is in $logs/base.log."
    docker import -c 'CMD ["bash"]' -c 'LABEL chatire.made-by=mmdebstrap' "$tar" "$BASE" >>"$logs/base.log"
    rm -f "$tar"
    end "made with mmdebstrap"
}
