# shellcheck shell=bash
# Slots: how nginx knows the replicas of a tier, whoever serves in them.
#
# A replica listens on a socket of its own, /run/chatire/<tier>/replica-<host>.sock, and holds
# replica-<host>.lock for as long as it lives: a file outlives a killed process, a lock does not.
# A slot is a link, <slot>.sock -> replica-<host>.sock, and the only record of who serves in it.
# So a replica that takes over from another does so by a rename of one link: what nginx asks next
# goes there, and no connection is cut. Links are changed under slots.lock.
#
# While `reserve` is there, replicas that start take slots from its number on: nginx is not told
# of those, so that a new release can be proven beside the old one.

SLOTS=64
sockets=${CHATIRE_SOCKETS:-/run/chatire}

# held_by_somebody FOLDER REPLICA: whether that replica lives.
held_by_somebody() { [ -e "$1/$2.lock" ] && ! flock -n "$1/$2.lock" true; }

# point FOLDER SLOT REPLICA: in one step, whatever was there before.
point() {
    ln -sfn "$3.sock" "$1/.$2.new"
    mv -T "$1/.$2.new" "$1/$2.sock"
}

# take_slot TIER: this container's slot from its last life, or the lowest free one. Sets `bind`;
# the lock stays with this process and what it execs, its workers included.
take_slot() {
    local folder=$sockets/$1 me slot='' first=1 link n
    me=replica-$(hostname)
    exec 8>>"$folder/slots.lock"
    flock 8
    exec 9>>"$folder/$me.lock"
    flock -n 9 || {
        echo "$1: another process of this container holds $folder/$me.lock." >&2
        exit 1
    }
    if [ -e "$folder/reserve" ]; then first=$(<"$folder/reserve"); fi
    for ((n = 1; n <= SLOTS; n++)); do
        link=$(readlink "$folder/$n.sock" || :)
        if [ "$link" = "$me.sock" ]; then
            slot=$n
            break
        fi
        if [ -z "$slot" ] && [ "$n" -ge "$first" ] && ! held_by_somebody "$folder" "${link%.sock}"; then slot=$n; fi
    done
    [ -n "$slot" ] || {
        echo "$1: all $SLOTS slots in $folder are held; no more replicas fit." >&2
        exit 1
    }
    # Nobody connects to what the last life has left.
    rm -f "$folder/$me.sock"
    point "$folder" "$slot" "$me"
    forget_the_dead "$folder" "$me"
    exec 8>&-
    bind=unix:$folder/$me.sock
    echo "$1: slot $slot"
}

# forget_the_dead FOLDER ME: files of replicas that are gone for good, as no link names them.
forget_the_dead() {
    local folder=$1 lock replica n named=" $2.sock "
    for ((n = 1; n <= SLOTS; n++)); do named+="$(readlink "$folder/$n.sock" || :) "; done
    for lock in "$folder"/replica-*.lock; do
        replica=${lock##*/} replica=${replica%.lock}
        [[ $named != *" $replica.sock "* ]] || continue
        held_by_somebody "$folder" "$replica" || rm -f "$lock" "$folder/$replica.sock"
    done
}

# list_slots TIER: "slot host" of each slot that was ever taken.
list_slots() {
    local folder=$sockets/$1 n link
    for ((n = 1; n <= SLOTS; n++)); do
        link=$(readlink "$folder/$n.sock") || continue
        link=${link#replica-}
        printf '%s %s\n' "$n" "${link%.sock}"
    done
}

# give_slot TIER SLOT HOST: that replica serves in the slot, and who served there has the slot that
# the replica had. Done again, it changes nothing.
give_slot() {
    local folder=$sockets/$1 slot=$2 wanted=replica-$3.sock n
    exec 8>>"$folder/slots.lock"
    flock 8
    [ "$(readlink "$folder/$slot.sock")" != "$wanted" ] || return 0
    for ((n = 1; n <= SLOTS; n++)); do
        [ "$(readlink "$folder/$n.sock")" = "$wanted" ] || continue
        if [ -L "$folder/$slot.sock" ]; then
            mv --exchange -T "$folder/$n.sock" "$folder/$slot.sock"
        else
            mv -T "$folder/$n.sock" "$folder/$slot.sock"
        fi
        return
    done
    echo "$1: $3 holds no slot in $folder." >&2
    return 1
}

# reserve_slots TIER [FROM]: from now on; without a number no longer.
reserve_slots() {
    if [ "$#" -eq 1 ]; then
        rm -f "$sockets/$1/reserve"
        return
    fi
    echo "$2" >"$sockets/$1/.reserve.new"
    mv -T "$sockets/$1/.reserve.new" "$sockets/$1/reserve"
}
