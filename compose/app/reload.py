"""Runs a command and starts it again when a Python file below the working directory changes.

For `make dev`, for both tiers alike. A command that ends by itself, as after a syntax error, is
started again by the next change; what it printed stays in the log. Polling needs nothing
installed and works on bind mounts, where file events do not always arrive.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# A look at some hundred files takes a few milliseconds; half a second feels immediate.
POLL_SECONDS = 0.5
# With a drain of one second a tier is gone by then; one that is not is stuck.
STOP_SECONDS = 8
NOT_WATCHED = {"__pycache__", "frontend", "node_modules", "static", "tests"}


def changes(root: Path) -> dict[Path, float]:
    """Every Python file and when it was last changed."""
    found: dict[Path, float] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_WATCHED]
        for name in files:
            if name.endswith(".py"):
                path = Path(folder, name)
                try:
                    found[path] = path.stat().st_mtime
                except FileNotFoundError:  # an editor is replacing it
                    found[path] = 0.0
    return found


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the command; returns when it is gone."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(command: list[str]) -> int:
    def told_to_stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, told_to_stop)
    root = Path.cwd()
    while True:
        seen = changes(root)
        process = subprocess.Popen(command)  # noqa: S603 (the role's own command)
        try:
            while changes(root) == seen:
                time.sleep(POLL_SECONDS)
        except (SystemExit, KeyboardInterrupt):
            stop(process)
            return 0
        sys.stdout.write(f"reload: a file changed; starting {command[0]} again\n")
        sys.stdout.flush()
        stop(process)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
