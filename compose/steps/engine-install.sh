# shellcheck shell=bash
# Docker from Debian's packages, for a machine that has no container engine.
#
# Debian 12 has no Compose 2: there it comes from Debian 13's packages, which run on it
# unchanged, through a source of its own at a priority so low that nothing else is ever
# taken from it.

TRIXIE_SOURCE=/etc/apt/sources.list.d/chatire-trixie.sources
TRIXIE_PIN=/etc/apt/preferences.d/chatire-trixie.pref
# How long to wait for another program that is installing packages, in seconds.
DPKG_PATIENCE=300

# check_can_install FOUND [REMEDY]: ends the command where packages must not or cannot be installed.
check_can_install() {
    local found=$1 id='' version_id='' codename=''
    local wanted=${2:-"install Docker Engine $ENGINE_NEEDED or newer with its compose ($COMPOSE_NEEDED or newer) and buildx plugins"}
    read_os_release
    case $id:$version_id in
    debian:12 | debian:13) ;;
    *) fail "$found, and this is ${id:-an unknown system} $version_id, where nothing is installed for you; $wanted." ;;
    esac
    [ "$(id -u)" -eq 0 ] || fail "$found, and only root can install it; run: sudo make up, and the other targets with sudo from then on; or $wanted, for a user who may use it."
}

read_os_release() {
    local name value
    [ -r "${OS_RELEASE:-/etc/os-release}" ] || return 0
    while IFS='=' read -r name value; do
        value=${value%\"} value=${value#\"}
        case $name in
        ID) id=$value ;;
        VERSION_ID) version_id=$value ;;
        VERSION_CODENAME) codename=$value ;;
        esac
    done <"${OS_RELEASE:-/etc/os-release}"
}

install_engine() {
    local id='' version_id='' codename='' packages=(docker.io iptables ca-certificates)
    read_os_release
    # Debian 13 has the client in a package of its own.
    [ "$version_id" = 12 ] || packages+=(docker-cli)
    note "no container engine found: installing Docker from Debian's packages (${packages[*]})"
    refresh_package_lists
    apt_install engine "${packages[@]}"
    install_plugins
}

install_plugins() {
    local id='' version_id='' codename='' file
    read_os_release
    note "installing Compose and buildx from Debian's packages (docker-compose, docker-buildx)"
    if [ "$version_id" != 12 ]; then
        refresh_package_lists
        apt_install plugins docker-compose docker-buildx
        return
    fi
    if [ "$(dpkg-query -W -f '${db:Status-Abbrev}' docker-compose 2>/dev/null)" = 'ii ' ]; then
        fail "Debian 12's docker-compose 1 is installed, and Compose 2 would replace it; remove it first if nothing of yours needs it: apt-get remove docker-compose."
    fi
    add_trixie_source
    apt_install plugins docker-compose/trixie docker-buildx/trixie
    for file in docker-compose docker-buildx; do
        [ -x "/usr/libexec/docker/cli-plugins/$file" ] ||
            fail "$file was installed, but /usr/libexec/docker/cli-plugins/$file is not there; see $logs/apt-plugins.log."
    done
}

# The mirror is the machine's own; a second run changes nothing.
add_trixie_source() {
    find_mirror
    [ -n "$mirror_main" ] ||
        fail "no Debian mirror was found in this machine's apt configuration, and Compose 2 comes from Debian 13's packages; set CHATIRE_DEBIAN_MIRROR to one."
    note "adding Debian 13 as a package source for these two only ($TRIXIE_SOURCE)"
    umask 022
    cat >"$TRIXIE_PIN" <<PIN
# Made by chatire's make up. From Debian 13 come Compose 2 and buildx, and nothing else.
Package: *
Pin: release n=trixie
Pin-Priority: -10

Package: docker-compose docker-buildx
Pin: release n=trixie
Pin-Priority: 100
PIN
    cat >"$TRIXIE_SOURCE" <<SOURCE
# Made by chatire's make up for docker-compose and docker-buildx; see preferences.d/chatire-trixie.pref.
Types: deb
URIs: $mirror_main
Suites: trixie
Components: main
${mirror_keyring:+Signed-By: $mirror_keyring}
SOURCE
    umask 077
    apt_run trixie apt-get update -qq -o "Dir::Etc::sourcelist=$TRIXIE_SOURCE" -o Dir::Etc::sourceparts=/dev/null -o APT::Get::List-Cleanup=0 ||
        fail "Debian 13's package lists cannot be fetched from $mirror_main: $(apt_error trixie); mend the machine's apt configuration or network."
}

package_lists_fresh=''
# Fetched once a run. A source of the user's that cannot be reached is none of our business, as
# long as the packages are to be had.
refresh_package_lists() {
    [ -z "$package_lists_fresh" ] || return 0
    apt_run update apt-get update -qq || note "some package lists could not be fetched (see $logs/apt-update.log); going on with what is there"
    package_lists_fresh=yes
}

# apt_install LOG PACKAGE…: nothing of the user's may go for it.
apt_install() {
    local log=$1 removed
    shift
    removed=$(LC_ALL=C apt-get install -s --no-install-recommends "$@" 2>"$logs/apt-$log.log" | sed -n 's/^Remv \([^ ]*\).*/\1/p' | tr '\n' ' ') ||
        fail "$* cannot be installed: $(apt_error "$log"); run apt-get update and look at the machine's apt sources."
    [ -z "$removed" ] || fail "installing $* would remove ${removed% }; remove it yourself if you do not need it, then run this again."
    # A new machine updates itself just after it has come up.
    apt_run "$log" apt-get -o "DPkg::Lock::Timeout=$DPKG_PATIENCE" install -y -qq --no-install-recommends "$@" ||
        fail "$* could not be installed: $(apt_error "$log"); the whole output is in $logs/apt-$log.log."
}

apt_run() {
    local log=$1
    shift
    DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@" >"$logs/apt-$log.log" 2>&1 </dev/null
}

apt_error() { grep -m 1 '^E:' "$logs/apt-$1.log" || tail -n 1 "$logs/apt-$1.log"; }
