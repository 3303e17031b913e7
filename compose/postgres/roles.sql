-- The chat's database and its two roles: the owner migrates, the app reads and writes rows.
-- Run once, by the entrypoint, as superuser. The passwords come from the secret files.
\set owner_password `cat "${CHATIRE_SECRETS_DIR:-/run/secrets}/postgres_owner_password"`
\set app_password `cat "${CHATIRE_SECRETS_DIR:-/run/secrets}/postgres_password"`

CREATE ROLE chatire_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE chatire_app LOGIN PASSWORD :'app_password';

CREATE DATABASE chatire OWNER chatire_owner;
REVOKE ALL ON DATABASE chatire FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE chatire TO chatire_app;

\connect chatire
-- Whatever the owner makes later, the app may use, and no more than use.
ALTER DEFAULT PRIVILEGES FOR ROLE chatire_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chatire_app;
ALTER DEFAULT PRIVILEGES FOR ROLE chatire_owner GRANT SELECT, USAGE ON SEQUENCES TO chatire_app;
GRANT USAGE ON SCHEMA public TO chatire_app;
