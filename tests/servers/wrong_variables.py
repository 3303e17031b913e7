"""Variables that no host is to be changed for."""

from __future__ import annotations

# By what is wrong: what is set, and what is told of it.
WRONG: dict[str, tuple[dict[str, object], list[str]]] = {
    # All of them are told at once.
    "settings": (
        {
            "chatire_ws_processes": "many",
            "chatire_extra_names": "www.example.org",
            "chatire_kept_releases": 0,
            "chatire_database": "my-chat",
            "chatire_settings": {"CHATIRE_WS_FRAMES": 1},
        },
        [
            "chatire_ws_processes is 'many'; expected a number from 1 to 9.",
            'chatire_extra_names is "www.example.org"; expected a list of further host names.',
            "chatire_kept_releases is '0'; expected a number from 1 to 99.",
            "chatire_database is 'my-chat'; expected small letters, digits and underscores",
            'chatire_settings is {"CHATIRE_WS_FRAMES": 1}; expected',
        ],
    ),
    "numbers": (
        {
            "chatire_access_minutes": "ten",
            "chatire_refresh_days": 367,
            "chatire_http_workers": 65,
            "chatire_http_threads": 0,
            "chatire_ws_max_sockets": 0,
            "chatire_drain_seconds": 3601,
            "chatire_log_level": "LOUD",
            "chatire_settings": {"CHATIRE_WS_DEAF_SECONDS": 5},
        },
        [
            "chatire_access_minutes is 'ten'; expected a whole number from 1 to 1440",
            "chatire_refresh_days is '367'; expected a whole number from 1 to 366",
            "chatire_http_workers is '65'; expected a whole number from 1 to 64",
            "chatire_http_threads is '0'; expected a whole number from 1 to 256",
            "chatire_ws_max_sockets is '0'; expected a whole number from 1 to 1000000",
            "CHATIRE_WS_DEAF_SECONDS is '5'; expected a whole number from 10 to 3600",
            "chatire_drain_seconds is '3601'; expected a whole number from 0 to 3600",
            "chatire_log_level is 'LOUD'; expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ],
    ),
    "secrets": (
        {
            "chatire_jwt_signing_key": "short",
            # None is left to be made: the run that makes all secrets comes later.
            "chatire_django_secret_key": "x" * 31,
            "chatire_owner_password": "",
            # As YAML's `|` has it: the tiers would read it without.
            "chatire_app_password": "long-enough\n",
        },
        [
            "chatire_jwt_signing_key has 5 characters; expected 32 at least",
            "chatire_django_secret_key has 31 characters; expected 32 at least",
            "chatire_owner_password has 0 characters; expected 8 at least",
            "chatire_app_password has 12 characters; expected 8 at least, and no white space.",
        ],
    ),
    "certificate": (
        {"nginx_tls": "letsencrypt"},
        ["nginx_tls is 'letsencrypt'; expected one of self-signed, files, acme."],
    ),
    "no-files": (
        {"nginx_tls": "files"},
        ["but nginx_certificate_file or nginx_key_file is not set"],
    ),
    "missing-files": (
        {
            "nginx_tls": "files",
            "nginx_certificate_file": "/etc/hostname",
            "nginx_key_file": "/nowhere.key",
        },
        ["nginx_key_file names /nowhere.key, which is no file on the controller"],
    ),
    "missing-ca": (
        {"nginx_tls": "acme", "nginx_acme_ca_file": "/nowhere.pem"},
        ["nginx_acme_ca_file names /nowhere.pem, which is no file on the controller"],
    ),
    "directory": (
        {"nginx_tls": "acme", "nginx_acme_directory": "ca.example.org"},
        ["nginx_acme_directory is 'ca.example.org'; expected an address"],
    ),
    # 2 · 4 · 9 for http, 2 · 7 for ws, and 20.
    "connections": (
        {"chatire_http_workers": 4, "postgresql_max_connections": 100},
        ["may open 106 connections, PostgreSQL takes 100: raise postgresql_max_connections"],
    ),
    # Ansible's own words, by the role's argument spec.
    "kind": ({"http_ready_seconds": "soon"}, ["http_ready_seconds", "unable to convert to int"]),
}
