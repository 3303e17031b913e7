"""Settings are checked before anything is done, and a wrong one is named in one line."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from types import ModuleType

import pytest
from scripts import REPOSITORY, command, steps

EnvFile = Callable[[str], str]

WRONG = {
    "CHATIRE_PORT=http": ["CHATIRE_PORT", "'http'", "whole number"],
    "CHATIRE_PORT=70000": ["CHATIRE_PORT", "70000", "65535"],
    "CHATIRE_PORT=0": ["CHATIRE_PORT", "between 1"],
    "CHATIRE_BIND_ADDRESS=everywhere": ["CHATIRE_BIND_ADDRESS", "IPv4"],
    "CHATIRE_HTTP_REPLICAS=0": ["CHATIRE_HTTP_REPLICAS", "between 1 and 16"],
    "CHATIRE_WS_REPLICAS=two": ["CHATIRE_WS_REPLICAS", "'two'"],
    "CHATIRE_HTTPS=yes": ["CHATIRE_HTTPS", "0 or 1"],
    "CHATIRE_LOG_LEVEL=chatty": ["CHATIRE_LOG_LEVEL", "WARNING"],
    "CHATIRE_MEMORY_WS=plenty": ["CHATIRE_MEMORY_WS", "512m"],
    "CHATIRE_EXTRA_HOSTS=a b": ["CHATIRE_EXTRA_HOSTS", "commas"],
    "CHATIRE_EXTRA_ORIGINS=chat.example.org": ["CHATIRE_EXTRA_ORIGINS", "https://"],
    "CHATIRE_CORS_ORIGINS=https://a.example/path": ["CHATIRE_CORS_ORIGINS", "https://"],
    "CHATIRE_SECRETS_DIR=secrets": ["CHATIRE_SECRETS_DIR", "absolute path"],
    "CHATIRE_PROT=8081": ["line 1", "CHATIRE_PROT", ".env.example"],
    "# fine\nport 8081": ["line 2", "NAME=value"],
}

ALL = "read_settings; env | grep ^CHATIRE_ | sort"


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what the tests' own stack is set to, which would win."""
    for name in ("CHATIRE_PROJECT", "CHATIRE_PORT", "CHATIRE_BIND_ADDRESS", "CHATIRE_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_setting_is_refused_in_one_line(env_file: EnvFile, text: str) -> None:
    command("up", CHATIRE_ENV_FILE=env_file(text)).refused("make up:", *WRONG[text])


@pytest.mark.usefixtures("nothing_set")
def test_values_are_read_as_they_are_written(env_file: EnvFile) -> None:
    text = "\n".join(
        [
            "# a comment",
            "",
            "CHATIRE_PORT=8090   # the old one was taken",
            'CHATIRE_EXTRA_HOSTS="chat.example.org,192.0.2.1"',
            "export CHATIRE_LOG_LEVEL='DEBUG'",
            "CHATIRE_NGINX_LOG_FORMAT=json",
            "CHATIRE_HTTP_REPLICAS=3",
        ]
    )
    settings = steps(ALL, CHATIRE_ENV_FILE=env_file(text)).succeeded().output.splitlines()
    assert "CHATIRE_PORT=8090" in settings
    assert "CHATIRE_ALLOWED_HOSTS=localhost,127.0.0.1,chat.example.org,192.0.2.1" in settings
    assert "CHATIRE_ORIGINS=http://localhost:8090,http://127.0.0.1:8090" in settings
    assert "CHATIRE_LOG_LEVEL=DEBUG" in settings
    assert "CHATIRE_SITE=CHATIRE_NGINX_LOG_FORMAT=json" in settings
    assert "CHATIRE_HTTP_REPLICAS=3" in settings, "the last line has no line end"


@pytest.mark.usefixtures("nothing_set")
def test_nothing_in_a_value_is_carried_out(env_file: EnvFile) -> None:
    run = steps(ALL, CHATIRE_ENV_FILE=env_file("CHATIRE_EXTRA_HOSTS=$(hostname)"))
    run.refused("CHATIRE_EXTRA_HOSTS is '$(hostname)'")


@pytest.mark.usefixtures("nothing_set")
def test_the_environment_wins_over_the_file(env_file: EnvFile) -> None:
    run = steps(ALL, CHATIRE_ENV_FILE=env_file("CHATIRE_PORT=8090"), CHATIRE_PORT="8091")
    assert "CHATIRE_PORT=8091" in run.succeeded().output


@pytest.mark.usefixtures("nothing_set")
def test_a_browser_leaves_port_80_out_of_the_origin(env_file: EnvFile) -> None:
    run = steps(ALL, CHATIRE_ENV_FILE=env_file("CHATIRE_PORT=80"))
    assert "CHATIRE_ORIGINS=http://localhost,http://127.0.0.1" in run.succeeded().output.split("\n")


@pytest.mark.usefixtures("nothing_set")
def test_an_address_that_is_bound_to_is_answered_at(env_file: EnvFile) -> None:
    """It is the address that `make up` tells."""
    settings = steps(ALL, CHATIRE_ENV_FILE=env_file("CHATIRE_BIND_ADDRESS=192.0.2.7")).succeeded()
    assert "CHATIRE_ALLOWED_HOSTS=localhost,127.0.0.1,192.0.2.7" in settings.output.split("\n")
    assert ",http://192.0.2.7:8080\n" in settings.output


@pytest.mark.usefixtures("nothing_set")
def test_the_example_shows_the_defaults(env_file: EnvFile) -> None:
    """Every variable that has a default shows it; the others are explained as unset."""
    settings = steps(ALL, CHATIRE_ENV_FILE=env_file("")).succeeded().output
    defaults = dict(line.split("=", 1) for line in settings.splitlines())
    example = (REPOSITORY / ".env.example").read_text()
    shown = dict(re.findall(r"^#(CHATIRE_[A-Z_]+)=(.*)$", example, re.MULTILINE))
    # What is made of others, or is told to be no default in the text above it.
    derived = {"CHATIRE_ALLOWED_HOSTS", "CHATIRE_ORIGINS", "CHATIRE_STATE", "CHATIRE_SITE"}
    derived |= {"CHATIRE_STOP_GRACE", "CHATIRE_ENV_FILE", "CHATIRE_SECRETS_DIR"}
    for name, value in defaults.items():
        if name in derived:
            continue
        assert name in shown, f"{name} is not explained in .env.example"
        if value:
            assert shown[name] == value, f"{name} is shown as {shown[name]}, but is {value}"


@pytest.fixture
def cores() -> ModuleType:
    """The application's own reckoning."""
    spec = importlib.util.spec_from_file_location("cores", REPOSITORY / "app/chatire/cores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_processes_of_a_replica_are_reckoned_as_the_application_does(
    cores: ModuleType,
) -> None:
    machines = [1, 2, 3, 4, 6, 7, 8, 9, 64]
    script = "\n".join(f"nproc() {{ echo {each}; }}; reckoned_workers" for each in machines)
    told = [int(line) for line in steps(script).succeeded().output.split()]
    assert told == [cores.http_workers(each) for each in machines]


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("machine", [2, 64])
def test_the_defaults_leave_postgresql_room(env_file: EnvFile, machine: int) -> None:
    run = steps(f"nproc() {{ echo {machine}; }}\n{ALL}", CHATIRE_ENV_FILE=env_file(""))
    settings = run.succeeded().output.splitlines()
    # The container has the last word.
    assert "CHATIRE_HTTP_WORKERS=" in settings


@pytest.mark.usefixtures("nothing_set")
def test_more_connections_than_postgresql_takes_are_refused(env_file: EnvFile) -> None:
    settings = env_file("CHATIRE_HTTP_WORKERS=4\nCHATIRE_HTTP_THREADS=8\nCHATIRE_HTTP_REPLICAS=7")
    # 7 · 4 · 9 + 2 · 7 + 20
    steps(ALL, CHATIRE_ENV_FILE=settings).succeeded()
    words = ["8 http replicas of 4", "322 connections", "PostgreSQL takes 300"]
    steps(ALL, CHATIRE_ENV_FILE=settings, CHATIRE_HTTP_REPLICAS="8").refused(*words)
    command("scale", CHATIRE_ENV_FILE=settings, HTTP="8").refused("make scale:", *words)


@pytest.mark.parametrize(
    ("http", "ws", "words"),
    [
        ("", "", ["neither", "HTTP=3"]),
        ("0", "", ["HTTP is '0'", "1 to 16"]),
        ("", "17", ["WS is '17'", "1 to 16"]),
        ("two", "2", ["HTTP is 'two'"]),
    ],
)
def test_an_impossible_scale_is_refused(http: str, ws: str, words: list[str]) -> None:
    command("scale", HTTP=http, WS=ws).refused("make scale:", *words)
