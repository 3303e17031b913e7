"""What pip is to fetch for one Python: `wheels.py PYTHON LOCK` prints the lock without markers.

pip evaluates environment markers with the Python that runs it, whatever --python-version says; so
they are evaluated here, for the Python that the wheels are for. Also `wheels.py --pin FOLDER`
prints the lock of the wheels that were fetched: one hash each, that of the file in the bundle.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.utils import parse_wheel_filename


def requirements(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """The entries of a lock as (pin, marker or "", hashes). Raises ValueError for another line."""
    for line in re.sub(r"\\\n", " ", lock).splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        wanted, *hashes = re.split(r"\s+--hash=", text)
        pin, _, marker = (part.strip() for part in wanted.partition(";"))
        if "==" not in pin or not hashes:
            raise ValueError(f"{text!r} is no pinned requirement with hashes")
        yield pin, marker, hashes


def for_python(python: str, lock: str) -> Iterator[str]:
    """The lock's lines that hold for a Python such as 3.11, markers taken off."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    for pin, marker, hashes in requirements(lock):
        if not marker or Marker(marker).evaluate(environment):
            yield " ".join([pin, *(f"--hash={each}" for each in hashes)])


def pins(folder: Path) -> Iterator[str]:
    """A lock of the wheels in a folder."""
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        yield f"{name}=={version} --hash=sha256:{digest}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--pin", folder]:
            print(*pins(Path(folder)), sep="\n")
        case [python, lock]:
            print(*for_python(python, Path(lock).read_text(encoding="utf-8")), sep="\n")
        case _:
            sys.exit(__doc__)
