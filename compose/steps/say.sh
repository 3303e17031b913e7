# shellcheck shell=bash
# What a command tells its user: steps with their times, and errors in one line.
#
# An error names what was found, what is needed and what to do, on standard error,
# and ends the command with status 1.

# shellcheck disable=SC2034 # which of the colours a command uses is its own affair
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m' on_terminal=yes
else
    bold='' dim='' green='' red='' plain='' on_terminal=''
fi

step_name='' step_started=0

say() { printf '%s\n' "$*"; }

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s' "${t%???}"
}

# begin NAME: a step starts; on a terminal its line stands there until `end` replaces it.
begin() {
    step_name=$1 step_started=$(now_ms)
    [ -z "$on_terminal" ] || printf '  %s%-12s …%s' "$dim" "$step_name" "$plain"
}

# note TEXT: something to say inside a step, before it has ended.
note() {
    [ -z "$on_terminal" ] || printf '\r\e[K'
    printf '  %-12s %s\n' "$step_name" "$*"
}

# end TEXT: the step is done; says what it came to and how long it took.
end() {
    local ms=$(($(now_ms) - step_started))
    [ -z "$on_terminal" ] || printf '\r\e[K'
    printf '  %s%-12s%s %s %s(%d.%d s)%s\n' \
        "$green" "$step_name" "$plain" "$*" "$dim" $((ms / 1000)) $((ms % 1000 / 100)) "$plain"
    step_name=''
}

# fail TEXT: one line, then the end of the command.
fail() {
    [ -z "$on_terminal" ] || printf '\r\e[K'
    printf '%s%s:%s %s\n' "$red" "${command_name:-chatire}" "$plain" "$*" >&2
    exit 1
}

# Anything that fails without having said why ends here, with the place to look.
unexpected() {
    local status=$1 line=$2 what=$3
    [ "$BASH_SUBSHELL" -eq 0 ] || exit "$status"
    fail "stopped at ${BASH_SOURCE[1]##*/}:$line${step_name:+ ($step_name)}: \`${what%%$'\n'*}\` ended with status $status; the output above says why, and running it again goes on from here."
}
trap 'unexpected $? $LINENO "$BASH_COMMAND"' ERR
