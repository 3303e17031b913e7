#!/usr/bin/env bash
# Times `make up`: from where the machine stands (fresh is told apart from images built), and
# again when it is already up, comparing the containers before and after.
#
#   bench/up_times.sh [--json FILE]
#
# The stack is taken down first; `make down` keeps the data.
set -euo pipefail
cd "$(dirname "$0")/.."

project=$(bash -c 'source compose/steps/begin.sh && read_settings && echo "$CHATIRE_PROJECT"')
json=
if [ "${1:-}" = --json ]; then json=${2:?--json wants a file name}; fi

# Goals on two cores, in seconds.
fresh_goal=360
built_goal=25
again_goal=5

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
else
  green='' red='' plain=''
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
rows=()

# identity, start and restarts of every container of the project
containers() {
  docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$project" |
    xargs --no-run-if-empty docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' |
    sort
}

# timed NAME GOAL: runs `make up`, which has to succeed, and keeps how long it took
timed() {
  local name=$1 goal=$2 begin end seconds verdict colour
  begin=$(date +%s%N)
  if ! make up >"$log" 2>&1; then
    cat "$log" >&2
    echo "up_times: make up failed" >&2
    exit 1
  fi
  end=$(date +%s%N)
  if [ "$goal" != "$fresh_goal" ] && grep -q '^ *Images .*built ' "$log"; then
    echo "up_times: a source had changed, so images were built; run it again for times without." >&2
    exit 1
  fi
  seconds=$(((end - begin) / 100000000))
  if ((seconds <= goal * 10)); then verdict=ok colour=$green; else verdict=over colour=$red; fi
  printf '%-28s %5d.%d s  ≤ %3d s  %s%s%s\n' \
    "$name" $((seconds / 10)) $((seconds % 10)) "$goal" "$colour" "$verdict" "$plain"
  rows+=("{\"name\": \"$name\", \"value\": $((seconds / 10)).$((seconds % 10)), \"unit\": \"s\", \"at_most\": $goal, \"verdict\": \"$verdict\"}")
}

if docker image inspect chatire/{app,nginx,postgres}:"$project" >/dev/null 2>&1; then
  make down >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  timed "make up, images built" "$built_goal"
else
  timed "make up, fresh" "$fresh_goal"
fi

before=$(containers)
timed "make up, already up" "$again_goal"
after=$(containers)
if [ "$before" = "$after" ]; then
  printf '%-28s %7s\n' "containers restarted" 0
  rows+=('{"name": "containers restarted", "value": 0, "at_most": 0, "verdict": "ok"}')
else
  printf '%-28s %s\n' "containers restarted" "${red}over$plain"
  diff <(echo "$before") <(echo "$after") || true
  exit 1
fi

if [ -n "$json" ]; then
  { printf '{"figures": ['; (IFS=,; printf '%s' "${rows[*]}"); printf ']}\n'; } >"$json"
fi
