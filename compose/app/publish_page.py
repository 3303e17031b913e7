"""Brings a release's page to where nginx serves it: `publish_page.py RELEASE PLACE`.

PLACE/ui is served. Assets have hashed names and are added beside those of earlier releases, which
open pages still ask for; then the files that keep their names are replaced, index.html last, each
in one step. Assets that no release has named for a week go; PLACE/assets.json says since when.
Run again, or after it was cut off, it comes to the same.
"""

import filecmp
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

# A page that was not loaded anew for so long, and then asks for a part that it has not loaded yet,
# has to be.
KEEP_SECONDS = 7 * 86_400
INDEX = Path("index.html")


@dataclass
class Record:
    """The assets of the release that is served, and when those of earlier ones were replaced."""

    current: list[str] = field(default_factory=list)
    replaced: dict[str, float] = field(default_factory=dict)


def read(path: Path) -> Record:
    """What the last run wrote down; an empty record where it did not, or not in full."""
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return Record()


def files(folder: Path) -> list[Path]:
    """Every file below a folder, relative to it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def is_asset(path: Path) -> bool:
    return path.parts[0] == "assets"


def put(source: Path, target: Path) -> None:
    """Copy a file so that nobody sees half of it; one that is the same stays."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, new)
    new.chmod(0o644)
    new.rename(target)


def publish(release: Path, place: Path, now: float) -> None:
    """Make the release's page the one that is served; `now` in seconds since the epoch."""
    served = place / "ui"
    found = files(release)
    # Assets, then the rest, then the page that names them.
    for path in sorted(found, key=lambda path: (not is_asset(path), path == INDEX)):
        put(release / path, served / path)
    record = read(place / "assets.json")
    names = [path.as_posix() for path in found if is_asset(path)]
    replaced = dict.fromkeys(set(record.current) - set(names), now) | record.replaced
    for path in set(files(served)) - set(found):
        name = path.as_posix()
        if not is_asset(path) or replaced.setdefault(name, now) < now - KEEP_SECONDS:
            (served / path).unlink()
            replaced.pop(name, None)
    kept = {name: since for name, since in sorted(replaced.items()) if name not in names}
    new = place / ".assets.json.new"
    new.write_text(json.dumps(asdict(Record(names, kept)), indent=1), encoding="utf-8")
    new.rename(place / "assets.json")


if __name__ == "__main__":
    publish(Path(sys.argv[1]), Path(sys.argv[2]), time.time())
