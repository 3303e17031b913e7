# shellcheck shell=bash
# Secrets: made once, one file for each reader, in a 0700 directory outside git.
#
# They are made inside a container of the base image, so that a file can be given to the
# numeric user of its reader whoever runs this.

# reader/secret of each file; must match the secrets of compose.yaml.
SECRET_FILES='http/django_secret_key http/jwt_signing_key http/postgres_password
ws/django_secret_key ws/jwt_signing_key ws/postgres_password
migrate/django_secret_key migrate/jwt_signing_key migrate/postgres_password
postgres/postgres_owner_password postgres/postgres_password'

ensure_secrets() {
    begin Secrets
    local missing lost
    make_secrets_directory
    missing=$(missing_secrets)
    if [ -z "$missing" ]; then
        end "$CHATIRE_SECRETS_DIR is complete"
        return
    fi
    if docker volume inspect "${CHATIRE_PROJECT}_postgres" >/dev/null 2>&1; then
        # A password can be finished from another copy of it, but not made anew: the database has it.
        for lost in 'postgres_owner_password migrate/postgres_password' 'postgres_password http/postgres_password ws/postgres_password'; do
            lost_everywhere "$lost" || continue
            fail "the database exists, but its ${lost%% *} is in no file of $CHATIRE_SECRETS_DIR; put the saved secrets back there, or remove the database with everything in it: make destroy."
        done
    fi
    docker run --rm --network none --user 0:0 --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
        --mount "type=bind,source=$here/secrets/make,target=/make,readonly" \
        --mount "type=bind,source=$CHATIRE_SECRETS_DIR,target=/secrets" \
        "$BASE" bash /make >"$logs/secrets.log" 2>&1 ||
        fail "the secrets could not be made in $CHATIRE_SECRETS_DIR: $(tail -n 1 "$logs/secrets.log")"
    missing=$(missing_secrets)
    [ -z "$missing" ] || fail "after making the secrets ${missing//$'\n'/, } is not in $CHATIRE_SECRETS_DIR; is that directory on this machine and shared with the engine?"
    end "made in $CHATIRE_SECRETS_DIR"
}

make_secrets_directory() {
    mkdir -p "$CHATIRE_SECRETS_DIR" 2>/dev/null || fail "$CHATIRE_SECRETS_DIR cannot be made by $(id -un); make it yours, or set CHATIRE_SECRETS_DIR."
    [ -O "$CHATIRE_SECRETS_DIR" ] || fail "$CHATIRE_SECRETS_DIR belongs to $(stat -c %U "$CHATIRE_SECRETS_DIR"); run this as that user, or give the directory to $(id -un)."
    chmod 0700 "$CHATIRE_SECRETS_DIR"
}

missing_secrets() {
    local file
    for file in $SECRET_FILES; do
        [ -s "$CHATIRE_SECRETS_DIR/$file" ] || printf '%s\n' "$file"
    done
}

# lost_everywhere "NAME COPY…": none of a secret's files is there.
lost_everywhere() {
    local name=${1%% *} copy
    for copy in "postgres/$name" ${1#* }; do
        [ ! -s "$CHATIRE_SECRETS_DIR/$copy" ] || return 1
    done
}

# Removes what ensure_secrets made, and the directory when nothing else is in it.
remove_secrets() {
    local file
    for file in $SECRET_FILES; do rm -f "$CHATIRE_SECRETS_DIR/$file" 2>/dev/null; done
    for file in http ws migrate postgres; do rmdir "$CHATIRE_SECRETS_DIR/$file" 2>/dev/null || :; done
    rmdir "$CHATIRE_SECRETS_DIR" 2>/dev/null || :
}
