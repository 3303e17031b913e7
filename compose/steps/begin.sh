# shellcheck shell=bash
# What every command starts with: strict mode, the places, the steps.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
umask 077

command_name="make ${0##*/}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/compose
state=$here/.state
mkdir -p "$state"

# shellcheck source=say.sh
source "$here/steps/say.sh"
# shellcheck source=settings.sh
source "$here/steps/settings.sh"
# shellcheck source=engine.sh
source "$here/steps/engine.sh"
# shellcheck source=engine-install.sh
source "$here/steps/engine-install.sh"
# shellcheck source=engine-start.sh
source "$here/steps/engine-start.sh"
# shellcheck source=mirror.sh
source "$here/steps/mirror.sh"
# shellcheck source=machine.sh
source "$here/steps/machine.sh"
# shellcheck source=base.sh
source "$here/steps/base.sh"
# shellcheck source=secrets.sh
source "$here/steps/secrets.sh"
# shellcheck source=images.sh
source "$here/steps/images.sh"
# shellcheck source=releases.sh
source "$here/steps/releases.sh"
# shellcheck source=stack.sh
source "$here/steps/stack.sh"
# shellcheck source=scale.sh
source "$here/steps/scale.sh"
# shellcheck source=roll.sh
source "$here/steps/roll.sh"
# shellcheck source=tools.sh
source "$here/steps/tools.sh"
# shellcheck source=delivery.sh
source "$here/steps/delivery.sh"
# shellcheck source=backup.sh
source "$here/steps/backup.sh"

# What a killed command had started, such as docker compose, holds its lock until it ends.
LOCK_PATIENCE=${LOCK_PATIENCE:-20}

# One command at a time on one stack: two would undo each other. After read_settings.
one_at_a_time() {
    exec 8>"$CHATIRE_STATE/lock"
    flock -w "$LOCK_PATIENCE" 8 || fail "another make command is at work on '$CHATIRE_PROJECT' (it holds $CHATIRE_STATE/lock); wait for it to end, then run this again."
}
