"""The hands of a chaos run: signals processes, lists them, and asks every replica how it is.

Runs as root: in a container that sees the machine's processes and the tiers' sockets
(`containers`), or on a server (`units PATTERN ...`). Reads its own code and then one JSON command a
line, answers one line each; between them it prints samples of the replicas' readiness and, on a
server, which unit ended. Standard library only, one file: a server has no more (see hands.py).
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

SOCKETS = "/run/chatire"
# systemd's own notes: which run of a unit this is. Reading one costs no process.
RUNS = "/run/systemd/units/invocation:"
BEAT_SECONDS = 0.5
# A unit that is started anew is away for a second at least (RestartSec).
LOOK_SECONDS = 0.2
# A replica that has not answered by then is as good as unready: nginx's clients wait no longer.
PATIENCE = 2.0

printing = threading.Lock()
known: set[str] = set()
stopped: set[int] = set()


def tell(line: dict[str, Any]) -> None:
    """Print one line, whole."""
    with printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def read(path: str) -> str:
    with open(path, errors="replace") as file:  # noqa: PTH123
        return file.read()


class Containers:
    """Replicas are containers; each tier's have a folder of sockets, named by short id."""

    def replicas(self) -> dict[str, tuple[str, str]]:
        """Tier and address of each replica that is there."""
        found = {}
        for tier in ("http", "ws"):
            for name in os.listdir(f"{SOCKETS}/{tier}"):  # noqa: PTH208
                if match := re.fullmatch(r"replica-(\w+)\.lock", name):
                    path = f"unix:{SOCKETS}/{tier}/replica-{match.group(1)}.sock"
                    found[match.group(1)] = (tier, path)
        return found

    def owner(self, groups: str) -> str:
        """The container that control groups belong to; empty for none."""
        found = re.search(r"[0-9a-f]{64}", groups)
        return found.group() if found else ""

    def states(self) -> dict[str, str]:
        return {}

    def begin(self) -> None:
        """The engine tells of its containers by itself."""


class Units:
    """Replicas are systemd's units: those that were loaded when this began, run or not."""

    def __init__(self, patterns: list[str]) -> None:
        self.patterns = patterns
        self.units = sorted(self.states())
        self._replicas = {}
        for unit in self.units:
            if match := re.match(r"chatire-(http|ws)@", unit):
                # Where it listens, as its own readiness check has it.
                told = show(unit, "ExecStartPost").get("ExecStartPost", "")
                if bind := re.search(r"/ready (\S+) \d", told):
                    self._replicas[unit] = (match.group(1), bind.group(1))

    def replicas(self) -> dict[str, tuple[str, str]]:
        return self._replicas

    def owner(self, groups: str) -> str:
        for line in groups.splitlines():
            for part in line.split("/"):
                if part in self.units:
                    return part
        return ""

    def states(self) -> dict[str, str]:
        """How each unit is, in systemd's words."""
        if not self.patterns:
            return {}
        words = ["systemctl", "show", "--all", "--property=Id,ActiveState,SubState", *self.patterns]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found = {}
        for block in printed.strip().split("\n\n"):
            told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if told:
                found[told["Id"]] = f"{told['ActiveState']} {told['SubState']}"
        return found

    def begin(self) -> None:
        threading.Thread(target=self._watch_runs, daemon=True).start()

    def _watch_runs(self) -> None:
        """Tell when a unit's run has ended: there is another one, or none."""
        runs = {unit: run(unit) for unit in self.units}
        while True:
            time.sleep(LOOK_SECONDS)
            for unit in self.units:
                now = run(unit)
                if runs[unit] and now != runs[unit]:
                    tell({"event": {"at": time.time(), "container": unit, "what": "die"}})
                runs[unit] = now


def show(unit: str, name: str) -> dict[str, str]:
    words = ["systemctl", "show", f"--property={name}", unit]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)


def run(unit: str) -> str:
    """Which run of a unit goes on; empty for none."""
    try:
        return os.readlink(RUNS + unit)  # noqa: PTH115
    except OSError:
        return ""


def process(pid: str, place: Containers | Units) -> dict[str, Any]:
    """One process as the kernel tells; raises OSError when it has gone."""
    status = dict(re.findall(r"^(\w+):\s*(.*)$", read(f"/proc/{pid}/status"), re.MULTILINE))
    try:
        files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    except OSError:
        files = 0
    return {
        "pid": int(pid),
        "parent": int(status["PPid"]),
        "inside": int(status.get("NSpid", pid).split()[-1]),
        "container": place.owner(read(f"/proc/{pid}/cgroup")),
        "command": read(f"/proc/{pid}/cmdline").replace("\0", " ").strip(),
        "memory": int(status.get("VmRSS", "0 kB").split()[0]) * 1024,
        "private": int(status.get("RssAnon", "0 kB").split()[0]) * 1024,
        "files": files,
    }


def processes(place: Containers | Units) -> list[dict[str, Any]]:
    """Every process that runs in some container, or in a unit."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            try:
                found.append(process(name, place))
            except (OSError, KeyError):
                continue
    return [each for each in found if each["container"]]


def connect(address: str) -> socket.socket:
    """A connection to `unix:/path` or `host:port`."""
    if address.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(PATIENCE)
        try:
            link.connect(address.removeprefix("unix:"))
        except OSError:
            link.close()
            raise
        return link
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)


def ready(address: str) -> tuple[int, str]:
    """The status of GET /readyz (0: no answer) and what was said."""
    try:
        with connect(address) as link:
            link.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := link.recv(65536):
                answer += piece
    except OSError as error:
        return 0, f"{type(error).__name__}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ")
    return int(words[1]) if len(words) > 1 else 0, body.decode(errors="replace")[:600]


def watch(replica: str, tier: str, address: str, place: Containers | Units) -> None:
    """Sample one replica until it is gone for good."""
    while replica in place.replicas():
        began = time.time()
        status, said = ready(address)
        took = time.time() - began
        sample = {"at": began, "took": round(took, 3), "tier": tier, "container": replica}
        tell({"sample": {**sample, "status": status, "said": said}})
        time.sleep(max(0.05, BEAT_SECONDS - took))
    known.discard(replica)


def watch_all(place: Containers | Units) -> None:
    """Start a watch for each replica as it appears."""
    while True:
        for replica, (tier, address) in place.replicas().items():
            if replica not in known:
                known.add(replica)
                given = (replica, tier, address, place)
                threading.Thread(target=watch, args=given, daemon=True).start()
        time.sleep(BEAT_SECONDS)


def signal_all(pids: list[int], number: int) -> list[int]:
    """Signal each; returns those that had gone."""
    gone = []
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            gone.append(pid)
    if number == signal.SIGSTOP:
        stopped.update(pids)
    else:
        stopped.difference_update(pids)
    return gone


def main(kind: str, patterns: list[str]) -> None:
    place = Units(patterns) if kind == "units" else Containers()
    threading.Thread(target=watch_all, args=(place,), daemon=True).start()
    place.begin()
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {"answer": command["number"], "at": time.time()}
        if command["do"] == "processes":
            answer["processes"] = processes(place)
        elif command["do"] == "states":
            answer["states"] = place.states()
        elif command["do"] == "signal":
            answer["gone"] = signal_all(command["pids"], command["signal"])
        tell(answer)
    # Whoever gave the commands has gone, perhaps without a word: nothing stays standing for it.
    signal_all(list(stopped), signal.SIGCONT)


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3:])
