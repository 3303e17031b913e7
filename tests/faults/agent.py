"""The hands of a chaos run: signals processes, lists them, and asks every replica how it is.

Runs in a container that sees the machine's processes and the tiers' sockets. Reads one JSON
command a line, answers one line each; between them it prints samples of the replicas' readiness.
Standard library only, one file: it is handed to `python3 -c`.
"""

import json
import os
import re
import socket
import sys
import threading
import time
from typing import Any

SOCKETS = "/run/chatire"
BEAT_SECONDS = 0.5
# A replica that has not answered by then is as good as unready: nginx's clients wait no longer.
PATIENCE = 2.0

printing = threading.Lock()
known: set[tuple[str, str]] = set()


def tell(line: dict[str, Any]) -> None:
    """Print one line, whole."""
    with printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def read(path: str) -> str:
    with open(path, errors="replace") as file:  # noqa: PTH123
        return file.read()


def process(pid: str) -> dict[str, Any]:
    """One process as the kernel tells; raises OSError when it has gone."""
    status = dict(re.findall(r"^(\w+):\s*(.*)$", read(f"/proc/{pid}/status"), re.MULTILINE))
    container = re.search(r"[0-9a-f]{64}", read(f"/proc/{pid}/cgroup"))
    try:
        files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    except OSError:
        files = 0
    return {
        "pid": int(pid),
        "parent": int(status["PPid"]),
        "inside": int(status.get("NSpid", pid).split()[-1]),
        "container": container.group() if container else "",
        "command": read(f"/proc/{pid}/cmdline").replace("\0", " ").strip(),
        "memory": int(status.get("VmRSS", "0 kB").split()[0]) * 1024,
        "private": int(status.get("RssAnon", "0 kB").split()[0]) * 1024,
        "files": files,
        "state": status["State"][0],
    }


def processes() -> list[dict[str, Any]]:
    """Every process that runs in some container."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            try:
                found.append(process(name))
            except (OSError, KeyError):
                continue
    return [each for each in found if each["container"]]


def ready(path: str) -> tuple[int, str]:
    """The status of GET /readyz (0: no answer) and what was said."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE)
            link.connect(path)
            link.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := link.recv(65536):
                answer += piece
    except OSError as error:
        return 0, f"{type(error).__name__}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ")
    return int(words[1]) if len(words) > 1 else 0, body.decode(errors="replace")[:600]


def watch(tier: str, replica: str) -> None:
    """Sample one replica, known by its container's short id, until its files are gone."""
    path = f"{SOCKETS}/{tier}/replica-{replica}"
    while os.path.exists(f"{path}.lock"):  # noqa: PTH110
        began = time.time()
        status, said = ready(f"{path}.sock")
        took = time.time() - began
        sample = {"at": began, "took": round(took, 3), "tier": tier, "container": replica}
        tell({"sample": {**sample, "status": status, "said": said}})
        time.sleep(max(0.05, BEAT_SECONDS - took))
    known.discard((tier, replica))


def watch_all() -> None:
    """Start a watch for each replica as it appears."""
    while True:
        for tier in ("http", "ws"):
            for name in os.listdir(f"{SOCKETS}/{tier}"):  # noqa: PTH208
                found = re.fullmatch(r"replica-(\w+)\.lock", name)
                if found and (tier, found.group(1)) not in known:
                    known.add((tier, found.group(1)))
                    threading.Thread(target=watch, args=(tier, found.group(1)), daemon=True).start()
        time.sleep(BEAT_SECONDS)


def signal_all(pids: list[int], number: int) -> list[int]:
    """Signal each; returns those that had gone."""
    gone = []
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            gone.append(pid)
    return gone


def main() -> None:
    threading.Thread(target=watch_all, daemon=True).start()
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {"answer": command["number"], "at": time.time()}
        if command["do"] == "processes":
            answer["processes"] = processes()
        elif command["do"] == "signal":
            answer["gone"] = signal_all(command["pids"], command["signal"])
        tell(answer)


main()
