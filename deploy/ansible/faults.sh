# shellcheck shell=bash
# make chaos INVENTORY=…: the faults of tests/faults on servers, each judged by a ledger. Those that
# risk nobody's data, unless RISK=yes; FAULT=name,… some of them; LIST=1 names them with what is left
# out. JSON=file keeps results beside those of other runs; MISSING=1 leaves out those that held in
# it; CLIENTS=n and RATE=n bound the traffic. Sourced by play, with its environments ready.
# shellcheck disable=SC2154 # play's
chaos() { PYTHONUNBUFFERED=1 CHATIRE_SOAK_MINUTES=${MINUTES:-} CHATIRE_SOAK_SEED=${SEED:-} \
    "$folder/.venv/faults/bin/python" "$folder/../../tests/faults/chaos.py" --inventory "$INVENTORY" "$@"; }

if [ -n "${LIST:-}" ]; then
    chaos --list
    exit
fi
JSON=${JSON:-$(realpath -m "$folder/../../dist/chaos-servers.json")}
mkdir -p "$(dirname "$JSON")"
touch "$JSON" || fail "the results cannot be written to $JSON; name a file in a folder that is there."
if [ -n "${REPORT:-}" ]; then
    chaos --report --json "$JSON"
    exit
fi
arguments=()
[ -z "${FAULT:-}" ] || arguments+=(--fault "$FAULT")
[ -z "${SHORT:-}" ] || arguments+=(--short)
[ -z "${MISSING:-}" ] || arguments+=(--missing)
[ -z "${CLIENTS:-}" ] || arguments+=(--clients "$CLIENTS")
[ -z "${RATE:-}" ] || arguments+=(--rate "$RATE")
[ "${RISK:-}" = yes ] || arguments+=(--harmless)
if [ "${CONFIRM:-}" != yes ]; then
    name=$(basename "${INVENTORY%,}")
    [ -t 0 ] || fail "this kills processes of the servers of '$name', whose users will notice; CONFIRM=yes goes ahead."
    read -r -p "This kills processes of the servers of '$name'; their users will notice. Type that name to go ahead: " answer
    [ "$answer" = "$name" ] || fail 'not confirmed; nothing was done.'
fi
# What went wrong stands above.
chaos "${arguments[@]}" --json "$JSON" || exit "$?"
exit
