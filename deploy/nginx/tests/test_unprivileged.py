"""nginx runs as anybody, and writes nowhere but where the description says."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import Nginx, described
from sites import PAGE, build_ui
from test_errors import LONGEST_BODY
from tiers import HttpTier

from nginxgen.description import Process

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into; tmp_path is open to its owner only."""
    folder = Path(tempfile.mkdtemp(prefix="nginxgen-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_it_serves_as_nobody_with_one_writable_folder(open_folder: Path) -> None:
    build_ui(open_folder / "ui")
    writable = open_folder / "writable"
    writable.mkdir()
    # Who is not root is somebody without rights already.
    stranger = NOBODY if os.geteuid() == 0 else None
    if stranger is not None:
        os.chown(writable, stranger, stranger)
    with HttpTier(open_folder / "http.sock") as http:
        (open_folder / "http.sock").chmod(0o777)
        description = described(open_folder, (http.address,), ("unix:/nowhere",))
        log = replace(
            description.log, access=str(writable / "access.log"), error=str(writable / "error.log")
        )
        process = Process(pid=str(writable / "nginx.pid"), temp=str(writable), connections=1024)
        with Nginx(replace(description, log=log, process=process), open_folder, stranger) as nginx:
            before = set(open_folder.iterdir())
            assert nginx.ask("GET", "/").body == PAGE
            # Larger than what is kept in memory.
            assert nginx.ask("POST", "/api/chats/", body=b"x" * LONGEST_BODY).status == 200
            assert set(open_folder.iterdir()) == before
            assert nginx.error_log == ""
