"""What each migration of this release does to the release before it, as JSON.

`{"chat.0002_history": null, "chat.0003_drop": "RemoveField: …"}`: null where the release before
runs on the new tables as well and the migration can be undone, else why not. rollback.yml reads
it. Run with the application's own Python in the folder of manage.py.
"""

import json
import sys
from pathlib import Path

import django
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader

# The release before still reads or writes what these take away or rename.
CONTRACTING = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


def hindrance(operation: operations.base.Operation) -> str | None:
    """Why the release before cannot run after this operation, or None."""
    if not operation.reversible:
        return f"{type(operation).__name__} cannot be undone"
    if isinstance(operation, CONTRACTING):
        return f"{type(operation).__name__} takes away what the release before uses"
    return None


def hindrances() -> dict[str, str | None]:
    """Every migration on disk and its first hindrance."""
    found = {}
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        reasons = filter(None, map(hindrance, migration.operations))
        found[f"{app}.{name}"] = next(reasons, None)
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    django.setup()
    json.dump(hindrances(), sys.stdout, indent=1)
