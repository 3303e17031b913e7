# shellcheck shell=bash
# confirm WHAT HAPPENS: has the operator type the inventory's name first; CONFIRM=yes does not ask.
confirm() {
    local name answer
    [ "${CONFIRM:-}" != yes ] || return 0
    name=$(basename "${INVENTORY%,}")
    [ -t 0 ] || fail "on the servers of '$name' this $1; CONFIRM=yes goes ahead."
    read -r -p "On the servers of '$name' this $1. Type that name to go ahead: " answer
    [ "$answer" = "$name" ] || fail 'not confirmed; nothing was done.'
}
