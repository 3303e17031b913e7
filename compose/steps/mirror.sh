# shellcheck shell=bash
# Where Debian's packages come from: this machine's own apt configuration, so that a mirror,
# a proxy or an inner certificate authority that it needs holds for the images as well.

RELEASE=trixie # one Debian release for all images

# Sets mirror_main and mirror_security (empty where unknown) and mirror_keyring.
find_mirror() {
    local id='' version_id='' codename='' uri of keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror_main=${CHATIRE_DEBIAN_MIRROR:-} mirror_security=${CHATIRE_DEBIAN_SECURITY_MIRROR:-} mirror_keyring=''
    [ ! -r "$keyring" ] || mirror_keyring=$keyring
    [ -z "$mirror_main" ] || return 0
    command -v apt-get >/dev/null || return 0
    read_os_release
    [ "$id" = debian ] || return 0
    # apt answers from its lists: without any, they are fetched first.
    if [ -z "$(debian_sources)" ] && [ "$(id -u)" -eq 0 ]; then refresh_package_lists; fi
    while IFS='|' read -r uri of; do
        case $uri:$of in
        file:* | cdrom:* | copy:*) ;;
        *:"$codename") [ -n "$mirror_main" ] || mirror_main=${uri%/} ;;
        *:"$codename-security") [ -n "$mirror_security" ] || mirror_security=${uri%/} ;;
        esac
    done <<<"$(debian_sources)"
}

debian_sources() {
    # shellcheck disable=SC2016 # apt's own fields
    apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(ORIGIN)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/|Debian|main$//p' | sort -u
}

# Sets ca_file: the certificates this machine trusts, handed to what is fetched in builds.
find_ca_file() {
    local file
    ca_file=''
    if [ -n "${CHATIRE_CA_FILE:-}" ]; then
        [ -r "$CHATIRE_CA_FILE" ] || fail "CHATIRE_CA_FILE is '$CHATIRE_CA_FILE', which cannot be read; name a PEM file, or leave the variable out."
        ca_file=$CHATIRE_CA_FILE
        return
    fi
    for file in "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" "${NODE_EXTRA_CA_CERTS:-}" /etc/ssl/certs/ca-certificates.crt; do
        if [ -n "$file" ] && [ -r "$file" ]; then
            ca_file=$file
            return
        fi
    done
}

# Writes what builds need to fetch packages into $state/fetch and sets fetch_arguments for
# `docker build`. They are secrets of the build: no layer and no history keeps them.
prepare_fetching() {
    local fetch=$state/fetch name
    find_mirror
    find_ca_file
    mkdir -p "$fetch"
    fetch_arguments=()

    if [ -n "$mirror_main" ]; then
        {
            printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$mirror_main" "$RELEASE $RELEASE-updates"
            printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
            [ -z "$mirror_security" ] ||
                printf '\nTypes: deb\nURIs: %s\nSuites: %s-security\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror_security" "$RELEASE"
        } >"$fetch/apt_sources"
        fetch_arguments+=(--secret "id=apt_sources,src=$fetch/apt_sources")
    fi

    # How this machine fetches packages: proxies, time-outs, whether dates are looked at.
    {
        ! command -v apt-config >/dev/null || apt-config dump 2>/dev/null |
            grep -E '^Acquire::((http|https)::(Proxy|Timeout)|(http|https)::Proxy::[^ ]+|Check-Valid-Until|Check-Date|Retries|ForceIPv4) ' || :
        printf 'Acquire::Languages "none";\n'
    } >"$fetch/apt_conf_here"
    {
        cat "$fetch/apt_conf_here"
        [ -z "$ca_file" ] || printf 'Acquire::https::CaInfo "/run/secrets/ca";\n'
    } >"$fetch/apt_conf"
    fetch_arguments+=(--secret "id=apt_conf,src=$fetch/apt_conf")

    {
        printf '[global]\ndisable-pip-version-check = true\nno-cache-dir = true\n'
        [ -z "$ca_file" ] || printf 'cert = /run/secrets/ca\n'
        pip_option index-url "${PIP_INDEX_URL:-}"
        pip_option extra-index-url "${PIP_EXTRA_INDEX_URL:-}"
        pip_option trusted-host "${PIP_TRUSTED_HOST:-}"
        pip_option proxy "${PIP_PROXY:-}"
        pip_option timeout "${PIP_DEFAULT_TIMEOUT:-}"
    } >"$fetch/pip_conf"
    {
        printf 'fund=false\naudit=false\nupdate-notifier=false\n'
        [ -z "$ca_file" ] || printf 'cafile=/run/secrets/ca\n'
        [ -z "${NPM_CONFIG_REGISTRY:-${npm_config_registry:-}}" ] || printf 'registry=%s\n' "${NPM_CONFIG_REGISTRY:-$npm_config_registry}"
    } >"$fetch/npmrc"
    fetch_arguments+=(--secret "id=pip_conf,src=$fetch/pip_conf" --secret "id=npmrc,src=$fetch/npmrc")
    if [ -n "$ca_file" ]; then
        # A copy: the engine's client may not be allowed to follow links out of a home directory.
        cat "$ca_file" >"$fetch/ca"
        fetch_arguments+=(--secret "id=ca,src=$fetch/ca")
    fi
    # Docker knows these by itself and keeps them out of the image's history.
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [ -z "${!name:-}" ] || fetch_arguments+=(--build-arg "$name")
    done
}

# An index in this machine's own file system is no use inside a build.
pip_option() {
    case $2 in '' | file:* | /*) ;; *) printf '%s = %s\n' "$1" "$2" ;; esac
}
