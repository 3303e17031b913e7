"""The shipped settings: clean under Django's own checks, and locked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from ops import checks

APP = Path(__file__).resolve().parents[2]


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """What `make up` sets."""
    for name in ("django_secret_key", "jwt_signing_key", "postgres_password"):
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQ"
        (tmp_path / name).write_text(name[:4] + alphabet)
    database = settings.DATABASES["default"]
    return {
        "PATH": os.environ["PATH"],
        "CHATIRE_SECRETS_DIR": str(tmp_path),
        "CHATIRE_DB_HOST": database["HOST"],
        "CHATIRE_DB_NAME": "chatire",
        "CHATIRE_DB_USER": "chatire",
        "CHATIRE_ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CHATIRE_ORIGINS": "http://localhost:8080,http://127.0.0.1:8080",
    }


def manage(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=APP,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            "CHATIRE_HTTPS": "1",
            "CHATIRE_ALLOWED_HOSTS": "chat.example.org",
            "CHATIRE_ORIGINS": "https://chat.example.org",
            "CHATIRE_TIER": "http",
        },
    ],
    ids=["local", "https"],
)
def test_check_deploy_is_clean(production: dict[str, str], more: dict[str, str]) -> None:
    result = manage({**production, **more}, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_clear_text_beyond_ones_own_machine_is_warned_of(production: dict[str, str]) -> None:
    production["CHATIRE_ALLOWED_HOSTS"] = "chat.example.org"
    result = manage(production, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode != 0
    assert "ops.W001" in result.stderr


def test_one_key_for_everything_is_refused(production: dict[str, str]) -> None:
    directory = Path(production["CHATIRE_SECRETS_DIR"])
    (directory / "jwt_signing_key").write_text((directory / "django_secret_key").read_text())
    result = manage(production, "check")
    assert result.returncode != 0
    assert "ops.E001" in result.stderr


def test_a_missing_secret_stops_the_start_and_names_itself(production: dict[str, str]) -> None:
    path = Path(production["CHATIRE_SECRETS_DIR"]) / "jwt_signing_key"
    path.unlink()
    result = manage(production, "check")
    assert result.returncode != 0
    assert str(path) in result.stderr


def test_access_tokens_live_shorter_than_refresh_tokens(settings: Any) -> None:
    assert checks.check_lifetimes(None) == []
    jwt = settings.SIMPLE_JWT
    settings.SIMPLE_JWT = {**jwt, "ACCESS_TOKEN_LIFETIME": jwt["REFRESH_TOKEN_LIFETIME"]}
    assert [found.id for found in checks.check_lifetimes(None)] == ["ops.E002"]


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_static_files_can_be_collected_without_secrets(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "CHATIRE_ENV": "build"}
    result = manage(environ, "collectstatic", "--noinput", "--dry-run")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_locked_with_hashes_and_name_no_place(name: str) -> None:
    text = (APP / name).read_text()
    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==", text, re.MULTILINE | re.IGNORECASE)
    assert pinned
    for block in re.split(r"\n(?=\S)", text):
        if "==" in block.split("\n")[0] and not block.startswith("#"):
            assert "--hash=sha256:" in block, block
    assert "://" not in text
    assert not re.search(r"^\s*-(i|f|-index-url|-find-links|-extra-index-url)", text, re.MULTILINE)


def test_every_direct_requirement_says_why_it_is_there() -> None:
    for name in ("requirements.in", "requirements-dev.in"):
        for line in (APP / name).read_text().splitlines():
            if re.match(r"[a-zA-Z]", line):
                assert " # " in line, f"{name}: {line}"


def test_both_locks_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (APP / name).read_text(), re.MULTILINE))

    production, development = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: development[name] for name in production} == production
