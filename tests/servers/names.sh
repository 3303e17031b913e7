# shellcheck shell=bash
# What this checkout's images, network and hosts are called on this machine: with its own number, so
# that two checkouts can test at the same time. After begin.sh.

servers_checkout=$(cksum <<<"$root")
servers_checkout=${servers_checkout%% *}
# Network, and beginning of each container's name, and of the networks of processes side by side.
# shellcheck disable=SC2034 # used by what reads this
servers_prefix=chatire-servers-$servers_checkout

# servers_image trixie|bookworm|controller
servers_image() { printf 'chatire-servers/%s:%s' "$1" "$servers_checkout"; }
