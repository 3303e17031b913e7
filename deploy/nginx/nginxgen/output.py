"""Writing the file so that nginx never meets half of it."""

import os
import tempfile
from pathlib import Path

# Readable by all: the file holds no secret, and nginx may run as another user than its writer.
MODE = 0o644


def write(path: Path, text: str) -> None:
    """Replaces the file at once, or leaves it as it was. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(MODE)
        new.replace(path)
    except BaseException:
        new.unlink()
        raise
