"""Packs a release: `bundle.py STAGE OUT VERSION COMMIT SECONDS`.

STAGE holds what the release consists of (app, ui, nginxgen, wheels, sources/). Writes
manifest.json and sbom.cdx.json into it and packs it as OUT/chatire-VERSION.tar.gz with its
.sha256 beside it. Times, owners and orders are fixed: the same stage gives the same bytes.
"""

import gzip
import hashlib
import json
import platform
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sbom import document, npm_components, python_component

NAME = "chatire"
MANIFEST, SBOM = "manifest.json", "sbom.cdx.json"
# Read while packing and not part of what is installed.
SOURCES = "sources"
# Wheels are compressed already; more effort gains nothing.
COMPRESSION = 6


def files(stage: Path) -> list[Path]:
    """Every file of the release, in one order everywhere."""
    found = (path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    inside = (path.relative_to(stage) for path in found)
    return sorted(path for path in inside if path.parts[0] != SOURCES)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(stage: Path, version: str, commit: str, time: str) -> dict[str, Any]:
    """What the release is made of and for which machines."""
    sources = stage / SOURCES
    return {
        "name": NAME,
        "version": version,
        "commit": commit,
        "time": time,
        "architecture": platform.machine(),
        "pythons": sorted(path.stem.removeprefix("python") for path in stage.glob("wheels/*.txt")),
        "migrations": json.loads((sources / "migrations.json").read_text(encoding="utf-8")),
        "wheels": {path.name: digest(path) for path in sorted(stage.glob("wheels/*.whl"))},
        "files": {path.as_posix(): digest(stage / path) for path in files(stage)},
    }


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def describe(stage: Path, version: str, commit: str, seconds: int) -> None:
    """Write the bill of materials and then the manifest, which covers it."""
    time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    components = [python_component(wheel) for wheel in stage.glob("wheels/*.whl")]
    components += [python_component(wheel) for wheel in stage.glob(f"{SOURCES}/nginxgen/*.whl")]
    components += npm_components((stage / SOURCES / "package-lock.json").read_text("utf-8"))
    for name in (MANIFEST, SBOM):
        (stage / name).unlink(missing_ok=True)
    write_json(stage / SBOM, document(NAME, version, time, components))
    write_json(stage / MANIFEST, manifest(stage, version, commit, time))


def pack(stage: Path, out: Path, version: str, seconds: int) -> Path:
    """Write the archive and its checksum; returns the archive's path."""
    archive = out / f"{NAME}-{version}.tar.gz"
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files(stage):
            entry = tarfile.TarInfo(f"{NAME}-{version}/{path.as_posix()}")
            source = stage / path
            entry.size = source.stat().st_size
            entry.mtime = seconds
            entry.mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            with source.open("rb") as file:
                tar.addfile(entry, file)
    archive.with_name(f"{archive.name}.sha256").write_text(f"{digest(archive)}  {archive.name}\n")
    return archive


def main(stage: str, out: str, version: str, commit: str, seconds: str) -> None:
    describe(Path(stage), version, commit, int(seconds))
    print(pack(Path(stage), Path(out), version, int(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
