"""What each migration of this release does to the release before it, as JSON.

`{"chat.0002_history": null, "chat.0003_drop": "RemoveField: …"}`: null where the release before
runs on the new tables as well and the migration can be undone, else why not. rollback.yml and
`make deploy` read it. Run with the application's own Python in the folder of manage.py.
"""

import json
import sys
from pathlib import Path

import django
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

# The release before still reads or writes what these take away or rename.
CONTRACTING = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


def must_be_given(field: models.Field) -> bool:
    """Whether an INSERT without this column fails: Django's defaults are not the table's."""
    if field.many_to_many or field.primary_key or getattr(field, "generated", False):
        return False
    return not field.null and field.db_default is NOT_PROVIDED


def narrows(operation: operations.AlterField, app: str, state: ProjectState) -> bool:
    """Whether a column that could be left out must be given from now on."""
    before = state.models[app, operation.model_name_lower].fields[operation.name]
    return must_be_given(operation.field) and not must_be_given(before)


def hindrance(operation: operations.base.Operation, app: str, state: ProjectState) -> str | None:
    """Why the release before cannot run after this operation on `state`, or None."""
    kind = type(operation).__name__
    if not operation.reversible:
        return f"{kind} cannot be undone"
    if isinstance(operation, CONTRACTING):
        return f"{kind} takes away what the release before uses"
    if isinstance(operation, operations.AddField) and must_be_given(operation.field):
        column = f"{operation.model_name_lower}.{operation.name}"
        return f"{kind} demands {column}, which the release before leaves out: give it a db_default"
    if isinstance(operation, operations.AlterField) and narrows(operation, app, state):
        column = f"{operation.model_name_lower}.{operation.name}"
        return f"{kind} demands {column}, which the release before may leave out"
    return None


def first_hindrance(loader: MigrationLoader, key: tuple[str, str]) -> str | None:
    """The first hindrance of a migration, or None."""
    app, _ = key
    state = loader.project_state(key, at_end=False)
    made: set[str] = set()
    for operation in loader.get_migration(*key).operations:
        if isinstance(operation, operations.CreateModel):
            made.add(operation.name_lower)
        # What the release before does not know it cannot miss.
        elif getattr(operation, "model_name_lower", None) not in made:
            reason = hindrance(operation, app, state)
            if reason:
                return reason
        operation.state_forwards(app, state)
    return None


def hindrances() -> dict[str, str | None]:
    """Every migration on disk and its first hindrance."""
    loader = MigrationLoader(None)
    return {
        f"{app}.{name}": first_hindrance(loader, (app, name))
        for app, name in sorted(loader.disk_migrations)
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    django.setup()
    json.dump(hindrances(), sys.stdout, indent=1)
