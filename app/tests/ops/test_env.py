"""The configuration: complete or not at all, and every problem named at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatire import env

SECRETS = ("django_secret_key", "jwt_signing_key", "postgres_password")


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    for name in SECRETS:
        (tmp_path / name).write_text(f"{name}-" + "x" * 40 + "\n")
    return {
        "CHATIRE_SECRETS_DIR": str(tmp_path),
        "CHATIRE_DB_HOST": "db",
        "CHATIRE_DB_NAME": "chat",
        "CHATIRE_DB_USER": "app",
        "CHATIRE_ALLOWED_HOSTS": "chat.example.org, localhost",
        "CHATIRE_ORIGINS": "https://chat.example.org",
    }


def test_production_is_what_one_gets_unless_told_otherwise(production: dict[str, str]) -> None:
    loaded = env.load(production)
    assert loaded.environment == "production"
    assert loaded.allowed_hosts == ("chat.example.org", "localhost")
    assert loaded.origins == ("https://chat.example.org",)
    assert loaded.db_password == "postgres_password-" + "x" * 40
    assert (loaded.access_minutes, loaded.refresh_days, loaded.http_threads) == (10, 14, 8)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        env.load({"CHATIRE_SECRETS_DIR": str(tmp_path)})
    for name in (
        "CHATIRE_DB_HOST",
        "CHATIRE_DB_NAME",
        "CHATIRE_DB_USER",
        "CHATIRE_ALLOWED_HOSTS",
        "CHATIRE_ORIGINS",
        *(str(tmp_path / name) for name in SECRETS),
    ):
        assert name in str(raised.value)


@pytest.mark.parametrize("name", ["test", "development"])
def test_elsewhere_nothing_is_required(tmp_path: Path, name: str) -> None:
    loaded = env.load({"CHATIRE_ENV": name, "CHATIRE_SECRETS_DIR": str(tmp_path)})
    assert loaded.allowed_hosts == ("localhost", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHATIRE_ENV", "prod"),
        ("CHATIRE_HTTPS", "yes"),
        ("CHATIRE_ACCESS_MINUTES", "ten"),
        ("CHATIRE_ACCESS_MINUTES", "0"),
        ("CHATIRE_HTTP_THREADS", "-1"),
        ("CHATIRE_ORIGINS", "chat.example.org"),
        ("CHATIRE_ORIGINS", "https://chat.example.org/"),
        ("CHATIRE_ORIGINS", "https://a@b"),
        ("CHATIRE_ORIGINS", "http://localhost:x"),
        ("CHATIRE_CORS_ORIGINS", "*"),
        ("CHATIRE_LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_makes_no_sense_names_its_variable(
    production: dict[str, str], name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        env.load({**production, name: value})


def test_a_short_secret_is_refused_without_being_shown(production: dict[str, str]) -> None:
    path = Path(production["CHATIRE_SECRETS_DIR"]) / "jwt_signing_key"
    path.write_text("hunter2")
    with pytest.raises(ImproperlyConfigured, match="jwt_signing_key") as raised:
        env.load(production)
    assert "hunter2" not in str(raised.value)


def test_a_secret_that_cannot_be_read_is_named(production: dict[str, str]) -> None:
    path = Path(production["CHATIRE_SECRETS_DIR"]) / "jwt_signing_key"
    path.unlink()
    path.mkdir()
    with pytest.raises(ImproperlyConfigured, match="jwt_signing_key"):
        env.load(production)
