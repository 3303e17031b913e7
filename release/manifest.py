"""`manifest.py BUNDLE`: prints the manifest of a bundle; exit status 1 where it has none."""

import sys
import tarfile


def read(bundle: str) -> str:
    """The manifest's text. Raises OSError, tarfile.TarError, LookupError."""
    with tarfile.open(bundle) as archive:
        for entry in archive:
            if entry.name.count("/") == 1 and entry.name.endswith("/manifest.json"):
                file = archive.extractfile(entry)
                if file:
                    return file.read().decode()
    raise LookupError("there is no manifest.json in it")


if __name__ == "__main__":
    try:
        print(read(sys.argv[1]))
    except (OSError, tarfile.TarError, LookupError) as error:
        sys.exit(f"{sys.argv[1]} is no bundle: {error}")
