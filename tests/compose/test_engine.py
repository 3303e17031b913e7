"""Which engine is used, and what is said where there is none that will do."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Bin
from scripts import command, steps

# A docker client as `check_engine` asks it; each test changes what it answers.
CLIENT = """
case "$1 $2" in
"version --format") echo "${SERVER:-26.1.5}" ;;
"compose version") [ -n "${COMPOSE-2.26.1}" ] && echo "${COMPOSE-2.26.1}" ;;
"buildx version") exit "${BUILDX:-0}" ;;
"context show") echo "${CONTEXT:-default}" ;;
*) echo "$*" >>"$CALLS" ;;
esac
"""
DEAD = """
case "$1" in
version) echo "${SAYS:-Cannot connect to the Docker daemon.}" >&2; exit 1 ;;
context) echo "${CONTEXT:-default}" ;;
*) exit 1 ;;
esac
"""
NOT_ROOT = 'case "$1" in -u) echo 1000 ;; -un) echo somebody ;; esac'
CHECK = "read_settings; check_engine; echo plan=$engine_plan missing=$plugins_missing"


@pytest.fixture
def debian(tmp_path: Path) -> str:
    path = tmp_path / "os-release"
    path.write_text('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    return str(path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    path = tmp_path / "os-release"
    path.write_text("ID=fedora\nVERSION_ID=42\n")
    return str(path)


def test_an_engine_that_answers_is_used(programs: Bin) -> None:
    programs.put("docker", CLIENT)
    assert "plan=use missing=\n" in steps(CHECK, PATH=str(programs)).succeeded().output


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "20.10", "26.1.5", "100.0.1"])
def test_a_new_enough_engine_will_do(programs: Bin, version: str) -> None:
    programs.put("docker", CLIENT)
    steps(CHECK, PATH=str(programs), SERVER=version).succeeded()


@pytest.mark.parametrize("version", ["19.03.15", "20.9.1", "1.13.1"])
def test_an_engine_that_is_too_old_is_refused(programs: Bin, version: str) -> None:
    programs.put("docker", CLIENT)
    command("up", PATH=str(programs), SERVER=version).refused(version, "20.10 or newer", "upgrade")


def test_a_compose_that_is_too_old_is_refused(programs: Bin) -> None:
    programs.put("docker", CLIENT)
    command("up", PATH=str(programs), COMPOSE="2.6.0").refused("2.6.0", "2.20 or newer")


def test_missing_plugins_are_to_be_installed_on_debian(programs: Bin, debian: str) -> None:
    programs.put("docker", CLIENT)
    programs.put("id", "echo 0")
    run = steps(CHECK, PATH=str(programs), COMPOSE="", BUILDX="1", OS_RELEASE=debian)
    assert "missing=docker-compose docker-buildx\n" in run.succeeded().output


def test_missing_plugins_are_named_where_nothing_is_installed(
    programs: Bin, elsewhere: str
) -> None:
    programs.put("docker", CLIENT)
    run = command("up", PATH=str(programs), COMPOSE="", OS_RELEASE=elsewhere)
    run.refused("docker-compose", "fedora 42", "install Docker Engine")


def test_without_an_engine_debian_gets_one(programs: Bin, debian: str) -> None:
    programs.put("id", "echo 0")
    run = steps(CHECK, PATH=str(programs), OS_RELEASE=debian)
    assert "plan=install" in run.succeeded().output


def test_without_an_engine_only_root_can_install_one(programs: Bin, debian: str) -> None:
    programs.put("id", NOT_ROOT)
    run = command("up", PATH=str(programs), OS_RELEASE=debian)
    run.refused("no container engine was found", "only root", "sudo make up")


def test_without_an_engine_other_systems_are_told_what_is_needed(
    programs: Bin, elsewhere: str
) -> None:
    run = command("up", PATH=str(programs), OS_RELEASE=elsewhere)
    run.refused("no container engine was found", "fedora 42", "install Docker Engine 20.10")


def test_a_client_alone_is_no_engine(programs: Bin, debian: str) -> None:
    """Some machines have the docker client and nothing behind it."""
    programs.put("docker", DEAD)
    programs.put("id", "echo 0")
    run = steps(CHECK, PATH=str(programs), OS_RELEASE=debian)
    assert "plan=install" in run.succeeded().output


def test_an_installed_engine_that_is_down_is_to_be_started(programs: Bin) -> None:
    programs.put("docker", DEAD)
    programs.put("dockerd", "exit 1")
    programs.put("id", "echo 0")
    assert "plan=start" in steps(CHECK, PATH=str(programs)).succeeded().output


def test_only_root_can_start_an_installed_engine(programs: Bin) -> None:
    programs.put("docker", DEAD)
    programs.put("dockerd", "exit 1")
    programs.put("id", NOT_ROOT)
    command("up", PATH=str(programs)).refused("does not answer", "sudo systemctl start docker")


def test_a_socket_that_is_closed_to_the_user_is_no_missing_engine(programs: Bin) -> None:
    programs.put("docker", DEAD)
    programs.put("id", NOT_ROOT)
    says = "permission denied while trying to connect to the Docker daemon socket"
    command("up", PATH=str(programs), SAYS=says).refused("somebody", "usermod -aG docker")


def test_an_engine_elsewhere_that_is_down_is_named(programs: Bin) -> None:
    programs.put("docker", DEAD)
    run = command("up", PATH=str(programs), DOCKER_HOST="tcp://192.0.2.1:2375")
    run.refused("DOCKER_HOST", "tcp://192.0.2.1:2375", "unset")


def test_a_context_whose_engine_is_down_is_named(programs: Bin) -> None:
    programs.put("docker", DEAD)
    run = command("up", PATH=str(programs), CONTEXT="desktop-linux")
    run.refused("desktop-linux", "docker context use default")


@pytest.mark.parametrize("name", ["down", "status", "logs", "smoke", "scale", "superuser"])
def test_no_other_command_installs_an_engine(programs: Bin, debian: str, name: str) -> None:
    programs.put("id", "echo 0")
    run = command(name, PATH=str(programs), OS_RELEASE=debian, HTTP="2")
    run.refused("no container engine answers", "make up")


def test_an_engine_that_dies_at_its_start_is_reported_with_its_log(
    programs: Bin, tmp_path: Path
) -> None:
    programs.put("docker", DEAD)
    programs.put("dockerd", "echo 'failed to start daemon: no room for images' >&2; exit 1")
    programs.put("id", "echo 0")
    log = tmp_path / "dockerd.log"
    changes = {"PATH": str(programs), "DOCKERD_LOG": str(log), "ENGINE_RUN": str(tmp_path)}
    run = steps("read_settings; start_engine", **changes)
    assert run.status == 1, run
    assert "no room for images" in run.errors, run
    assert str(log) in run.errors, run


def test_what_a_killed_engine_left_behind_is_no_obstacle(programs: Bin, tmp_path: Path) -> None:
    """Its number may belong to another process by now."""
    programs.put("docker", f"[ -e {tmp_path}/started ] || exit 1\n{CLIENT}")
    programs.put("dockerd", f"[ ! -e {tmp_path}/docker.pid ] && touch {tmp_path}/started; sleep 2")
    programs.put("id", "echo 0")
    (tmp_path / "docker.pid").write_text("1")
    (tmp_path / "docker.sock").touch()
    changes = {"PATH": str(programs), "ENGINE_RUN": str(tmp_path)}
    log = str(tmp_path / "dockerd.log")
    steps("read_settings; start_engine", DOCKERD_LOG=log, **changes).succeeded()
    assert not (tmp_path / "docker.sock").exists()


def test_an_engine_started_by_hand_is_no_job_of_the_command_and_holds_none_of_its_locks(
    programs: Bin, tmp_path: Path
) -> None:
    """Else `make test` waits for it for ever, ends it, or is still locked the next time."""
    programs.put("docker", f"[ -e {tmp_path}/started ] || exit 1\n{CLIENT}")
    programs.put("dockerd", f"touch {tmp_path}/started; sleep 20")
    programs.put("id", "echo 0")
    script = f"""
        read_settings
        exec 6>{tmp_path}/six 8>{tmp_path}/eight
        flock 6
        flock 8
        start_engine
        echo "jobs=$(jobs -p)"
        wait
        echo $SECONDS >{tmp_path}/waited
        exec 6>&- 8>&-
        flock -n {tmp_path}/six true && flock -n {tmp_path}/eight true && echo free
    """
    changes = {"PATH": str(programs), "ENGINE_RUN": str(tmp_path)}
    run = steps(script, DOCKERD_LOG=str(tmp_path / "dockerd.log"), **changes).succeeded()
    assert "jobs=\n" in run.output, run
    assert "free\n" in run.output, run
    assert int((tmp_path / "waited").read_text()) < 15, "it waited for the engine"
