"""A real nginx on 127.0.0.1 with a configuration made by nginxgen."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nginxgen import Description, generate
from nginxgen.description import HttpTier, Log, Process, WsTier

START_SECONDS = 10
STOP_SECONDS = 10
ANSWER_SECONDS = 10
# Between two looks at something that is waited for.
LOOK_SECONDS = 0.02


def binary() -> str:
    """The nginx to test with: NGINX_BINARY, or the one installed."""
    found = os.environ.get("NGINX_BINARY") or shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if found is None:
        raise RuntimeError("no nginx found: install Debian's nginx, or set NGINX_BINARY")
    return found


def installed_version() -> str:
    """Its version, as a description has it."""
    said = subprocess.run([binary(), "-v"], check=True, capture_output=True, text=True).stderr
    found = re.search(r"nginx/([0-9.]+)", said)
    assert found, said
    return found[1]


def own_user() -> str | None:
    """As whom the workers run when the tests run as root: tmp_path is open to nobody else."""
    return pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else None


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(what: str, holds: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> None:
    """Returns once it holds. Raises AssertionError naming what did not come to hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(LOOK_SECONDS)


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value. A header that came twice shows as two, for none should."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return " | ".join(values) if values else None


@dataclass
class Nginx:
    """One nginx, started by entering it."""

    description: Description
    folder: Path
    # As this user id, where the tests run as root and want to see what a stranger may.
    user_id: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def port(self) -> int:
        """Where it serves HTTP."""
        return int(self.description.listen[0].rpartition(":")[2])

    @property
    def tls_port(self) -> int:
        """Where it serves HTTPS."""
        return int(self.description.tls.listen[0].rpartition(":")[2])

    @property
    def access_log(self) -> str:
        """Everything in the access log so far."""
        return Path(self.description.log.access).read_text()

    @property
    def error_log(self) -> str:
        """Everything in the error log so far."""
        return Path(self.description.log.error).read_text()

    def __enter__(self) -> Self:
        conf = self.folder / "nginx.conf"
        conf.write_text(generate(self.description))
        command = [binary(), "-e", "stderr", "-c", str(conf), "-g", "daemon off;"]
        said = (self.folder / "stderr").open("wb")
        with said:
            # Out of the test run's process group, so that an interrupt reaches nginx by us only.
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, start_new_session=True, user=self.user_id
            )
        wait_until(f"nginx listens\n{self._said()}", self._listens, START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
        if error is not None:
            error.add_note(f"nginx said:\n{self._said()}\n{self.error_log}")

    def reload(self, description: Description) -> None:
        """Takes a new description; returns once new workers serve."""
        assert self.process is not None
        before = self.workers()
        self.description = description
        (self.folder / "nginx.conf").write_text(generate(description))
        self.process.send_signal(signal.SIGHUP)
        wait_until("new workers are there", lambda: bool(self.workers() - before))

    def workers(self) -> set[int]:
        """The process ids of its workers."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in tasks.read_text().split()}

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One request over HTTP, on a connection of its own; the path goes as it is."""
        return _asked(
            HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS),
            method,
            path,
            headers,
            body,
        )

    def ask_securely(self, method: str, path: str, headers: dict[str, str] | None = None) -> Reply:
        """One request over HTTPS; the certificate is not looked at."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection(
            "127.0.0.1", self.tls_port, timeout=ANSWER_SECONDS, context=context
        )
        return _asked(connection, method, path, headers, None)

    def send_raw(self, data: bytes) -> Reply:
        """Bytes as they are, valid HTTP or not, and the answer to them."""
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as line:
            line.sendall(data)
            response = HTTPResponse(line)
            response.begin()
            return Reply(response.status, response.getheaders(), response.read())

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"nginx ended:\n{self._said()}"
        # The port is bound before the process id is written; both must be there to be reloaded.
        pid = Path(self.description.process.pid)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return pid.exists()
        return False

    def _said(self) -> str:
        return (self.folder / "stderr").read_text()


def _asked(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str] | None,
    body: bytes | None,
) -> Reply:
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())


def described(
    folder: Path, http_servers: tuple[str, ...], ws_servers: tuple[str, ...], /, **more: Any
) -> Description:
    """A description that runs in this folder, on a free port of 127.0.0.1.

    `more` are fields of Description, whole sections too.
    """
    values: dict[str, Any] = {
        "listen": (f"127.0.0.1:{free_port()}",),
        "ui_root": str(folder / "ui"),
        "nginx_version": installed_version(),
        "http": HttpTier(servers=http_servers),
        "ws": WsTier(servers=ws_servers),
        "log": Log(access=str(folder / "access.log"), error=str(folder / "error.log")),
        "process": own_process(folder),
    }
    return Description(**values | more)


def own_process(folder: Path) -> Process:
    """nginx's own files in this folder."""
    return Process(
        workers="2",
        connections=1024,
        open_files=2048,
        pid=str(folder / "nginx.pid"),
        temp=str(folder),
        user=own_user(),
    )
