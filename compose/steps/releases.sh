# shellcheck shell=bash
# Releases of this stack: images of the application, kept by tag.
#
#   chatire/app:PROJECT            what runs, and what `make up` starts
#   chatire/app:PROJECT.next       what a deploy brings
#   chatire/app:PROJECT.previous   what ran before: `make rollback` goes back to it
#   chatire/app:PROJECT.withdrawn  what was rolled back or refused: `make up` does not start it anew
#
# A dot is in no project's name, so that no two projects share a tag.

release_image() { printf 'chatire/app:%s' "$CHATIRE_PROJECT${1:+.$1}"; }

# image_id IMAGE: nothing where there is none.
image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || :; }

# version_of IMAGE: what its build called it.
version_of() {
    local version
    version=$(docker image inspect --format '{{index .Config.Labels "chatire.version"}}' "$1" 2>/dev/null) || version=''
    printf '%s' "${version:-unknown}"
}

# working_version FINGERPRINT: the application's number and the commit that changed it last; files
# that are not committed, or no git at all, are told by a piece of the fingerprint.
working_version() {
    local fingerprint=$1 number commit dirty
    number=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/app/pyproject.toml")
    # shellcheck disable=SC2046 # words, on purpose
    if commit=$(git -C "$root" log -1 --format=%h --abbrev=12 -- $(image_inputs app) 2>/dev/null) && [ -n "$commit" ] &&
        dirty=$(git -C "$root" status --porcelain -- $(image_inputs app) 2>/dev/null); then
        printf '%s-%s%s' "$number" "$commit" "${dirty:+.${fingerprint:0:8}}"
    else
        printf '%s-%s' "$number" "${fingerprint:0:12}"
    fi
}

# keep_previous IMAGE: what ran before, where it differs from what runs now.
keep_previous() {
    [ -n "$1" ] && [ "$1" != "$(image_id "$(release_image)")" ] || return 0
    docker tag "$1" "$(release_image previous)"
}

forget_releases() {
    local which
    for which in next previous withdrawn; do
        docker image rm "$(release_image "$which")" >/dev/null 2>&1 || :
    done
}

# --- migrations -----------------------------------------------------------------------------

# migrations_of IMAGE: "app.name reason" of each migration, the reason empty where the release
# before can run after it (release/migrations.py judges).
migrations_of() {
    docker run --rm --network none --entrypoint cat "$1" /opt/chatire/migrations.json |
        sed -n -e 's/^ "\([^"]*\)": null,\{0,1\}$/\1 /p' -e 's/^ "\([^"]*\)": "\(.*\)",\{0,1\}$/\1 \2/p' | LC_ALL=C sort
}

# applied_migrations: "app.name" of those that the database has.
applied_migrations() {
    docker exec "$(container_of postgres)" psql -Atqc "SELECT app || '.' || name FROM django_migrations" | LC_ALL=C sort
}

# first_hindrance LIST NAMES: the first migration of these names whose reason is not empty.
first_hindrance() { LC_ALL=C join -j 1 <(printf '%s\n' "$1") <(printf '%s\n' "$2") | grep -m 1 ' .' || :; }

# judge_deploy IMAGE: ends the command where the release that runs could not run on after the
# migrations that this one brings.
judge_deploy() {
    local known pending reason
    known=$(migrations_of "$1")
    pending=$(LC_ALL=C comm -23 <(cut -d ' ' -f 1 <<<"$known") <(applied_migrations))
    reason=$(first_hindrance "$known" "$pending")
    [ -n "$reason" ] && [ "${CONTRACT:-}" != yes ] || return 0
    fail "$(version_of "$1") brings the migration ${reason%% *}, and what runs now would fail after it: ${reason#* }. Nothing was changed. Deploy a version that does without first, then this one with CONTRACT=yes, which says that what runs now does without it."
}

# judge_rollback IMAGE: ends the command where this release cannot run on the tables as they are.
judge_rollback() {
    local known later reason
    known=$(migrations_of "$(release_image)")
    later=$(LC_ALL=C comm -13 <(migrations_of "$1" | cut -d ' ' -f 1) <(applied_migrations))
    reason=$(first_hindrance "$known" "$later")
    [ -n "$reason" ] || return 0
    fail "$(version_of "$(release_image)") cannot be rolled back to $(version_of "$1"): the migration ${reason%% *} stands between them (${reason#* }). Nothing was changed; bring a version that mends what is wrong: make deploy."
}
