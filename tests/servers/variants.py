"""Further releases made of a bundle: `variants.py BUNDLE OUT VERSION [KIND]`, KIND good, broken,
broken-http or contracting.

The same release under another version, whole in itself. `broken` has a ws tier that does not
start, `broken-http` an http tier that does not; `contracting` says of itself that it brings a
migration that takes away what the release before uses.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

# By kind: the file, and the line that ends the process instead.
BROKEN = {
    "broken": ("app/realtime/server.py", b"    server.run()\n"),
    "broken-http": ("app/chatire/wsgi.py", b"application = UTF8Handler()\n"),
}
MIGRATION = "chat.9999_takes_away"


def variant(bundle: Path, out: Path, version: str, kind: str) -> Path:
    """Write OUT/chatire-VERSION.tar.gz; returns its path."""
    with tarfile.open(bundle) as archive:
        entries = [
            (entry, file.read())
            for entry in archive.getmembers()
            if (file := archive.extractfile(entry))
        ]
    old = entries[0][0].name.split("/", 1)[0]
    files = {entry.name.split("/", 1)[1]: (entry, data) for entry, data in entries}
    manifest = json.loads(files["manifest.json"][1])
    manifest["version"] = version
    if kind in BROKEN:
        name, line = BROKEN[kind]
        entry, data = files[name]
        indent = line[: len(line) - len(line.lstrip())]
        broken = data.replace(line, indent + b"raise SystemExit('broken on purpose')\n")
        assert broken != data
        files[name] = entry, broken
        manifest["files"][name] = hashlib.sha256(broken).hexdigest()
    if kind == "contracting":
        manifest["migrations"][MIGRATION] = "RemoveField takes away what the release before uses"
    files["manifest.json"] = files["manifest.json"][0], json.dumps(manifest).encode()
    target = out / f"chatire-{version}.tar.gz"
    with (
        gzip.open(target, "wb", 1) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for entry, data in files.values():
            entry.name = entry.name.replace(old, f"chatire-{version}", 1)
            entry.size = len(data)
            # A long name is kept there as well, and would win.
            entry.pax_headers = {}
            archive.addfile(entry, io.BytesIO(data))
    return target


if __name__ == "__main__":
    print(variant(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], (*sys.argv[4:], "good")[0]))
