"""`python -m nginxgen` as scripts use it."""

import os
import stat
from pathlib import Path

import pytest

from nginxgen.__main__ import main

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENT = {
    "CHATIRE_HTTP_SERVERS": "unix:/run/chatire/http/1.sock,unix:/run/chatire/http/2.sock",
    "CHATIRE_WS_SERVERS": "unix:/run/chatire/ws/1.sock,unix:/run/chatire/ws/2.sock",
}


def test_a_description_file_and_the_environment_give_the_same_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    golden = (GOLDEN / "compose.conf").read_text()
    assert main(["--description", str(GOLDEN / "compose.json")], {}) == 0
    assert capsys.readouterr().out == golden
    assert main(["--env"], ENVIRONMENT) == 0
    assert capsys.readouterr().out == golden


def test_the_file_is_readable_by_nginx_and_nothing_else_is_left(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("old")
    assert main(["--env", "--output", str(conf)], ENVIRONMENT) == 0
    assert conf.read_text() == (GOLDEN / "compose.conf").read_text()
    assert stat.S_IMODE(conf.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [conf]


def test_a_refused_description_is_one_line_and_leaves_the_file_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("old")
    assert main(["--env", "--output", str(conf)], {}) == 2
    said = capsys.readouterr()
    assert said.err.startswith("nginxgen: CHATIRE_HTTP_SERVERS: found nothing, expected ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert conf.read_text() == "old"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{"])
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    source = tmp_path / "description.json"
    if content is not None:
        source.write_bytes(content)
    assert main(["--description", str(source)], {}) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupted_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["--env", "--output", str(conf)], ENVIRONMENT) == 2
    assert conf.read_text() == "old"
    assert list(tmp_path.iterdir()) == [conf]
