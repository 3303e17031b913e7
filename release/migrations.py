"""What each migration of this release does to the release before it, as JSON.

`{"chat.0002_history": null, "chat.0003_drop": "RemoveField: …"}`: null where the release before
runs on the new tables as well and the migration can be undone, else why not. rollback.yml and
`make deploy` read it. Run with the application's own Python in the folder of manage.py.
"""

import json
import re
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path

import django
from django.contrib.postgres.operations import (
    CreateCollation,
    CreateExtension,
    ValidateConstraint,
)
from django.db import models
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

# Tells the types of columns; it never connects, and the build's settings name no database.
POSTGRESQL = DatabaseWrapper({})
# Each holds all that those before it hold.
INTEGERS = ("smallint", "integer", "bigint")
TEXT = re.compile(r"text|varchar(?:\((\d+)\))?")


def must_be_given(field: models.Field) -> bool:
    """Whether an INSERT without this column fails: Django's defaults are not the table's."""
    if field.many_to_many or field.primary_key or getattr(field, "generated", False):
        return False
    return not field.null and field.db_default is NOT_PROVIDED


def holds(after: str | None, before: str | None) -> bool:
    """Whether a column of one type takes and gives back whatever one of another did."""
    if after == before:
        return True
    if {before, after} <= set(INTEGERS):
        return INTEGERS.index(after) >= INTEGERS.index(before)
    texts = [TEXT.fullmatch(each or "") for each in (before, after)]
    if not all(texts):
        return False
    least, most = (float(each[1] or inf) for each in texts)
    return most >= least


# --- judges of one kind of operation: what it does to the release before, or None ----------------


def takes_away(*_: object) -> str:
    return "takes away what the release before uses"


def harmless(*_: object) -> None:
    return None


def added(operation: operations.AddField, app: str, state: ProjectState) -> str | None:
    field, column = operation.field, f"{operation.model_name_lower}.{operation.name}"
    if must_be_given(field):
        return f"demands {column}, which the release before leaves out: give it a db_default"
    filled = field.db_default is not NOT_PROVIDED or getattr(field, "generated", False)
    if field.unique and (field.primary_key or filled):
        return f"makes {column} unique, which the release before leaves out"
    return None


def altered(operation: operations.AlterField, app: str, state: ProjectState) -> str | None:
    column = f"{operation.model_name_lower}.{operation.name}"
    later = state.clone()
    operation.state_forwards(app, later)
    before, after = (
        each.apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
        for each in (state, later)
    )
    if before.many_to_many or after.many_to_many:
        same = joined(before) == joined(after)
        return None if same else f"changes the tables of {column}"
    if (before.null and not after.null) or (must_be_given(after) and not must_be_given(before)):
        return f"demands {column}, which the release before may leave out"
    return altered_column(column, before, after)


def joined(field: models.Field) -> tuple[str, ...] | None:
    """The tables of a relation of many to many."""
    if not field.many_to_many:
        return None
    relation = field.remote_field
    return relation.through._meta.db_table, relation.model._meta.db_table


def altered_column(column: str, before: models.Field, after: models.Field) -> str | None:
    """What an AlterField does besides demanding a value."""
    old, new = (each.db_parameters(POSTGRESQL) for each in (before, after))
    if after.column != before.column:
        return f"renames the column of {column}"
    if not holds(new["type"], old["type"]):
        return f"makes {column} {new['type']}, it was {old['type']}"
    if new["check"] not in (None, old["check"]):
        return f"checks {column}, which the release before does not hold to"
    if new.get("collation") != old.get("collation"):
        return f"changes the collation of {column}"
    if (after.unique, after.primary_key) != (before.unique, before.primary_key):
        return f"changes whether {column} is unique"
    if referred(after) not in (None, referred(before)):
        return f"makes {column} refer to {referred(after)}"
    if numbered(before) != numbered(after):
        return f"changes whether the database fills {column} in"
    return None


def referred(field: models.Field) -> str | None:
    """The table whose rows the database holds a column to."""
    return field.remote_field.model._meta.db_table if getattr(field, "db_constraint", 0) else None


def numbered(field: models.Field) -> tuple[object, ...]:
    """What the database puts into a column by itself, whatever an INSERT says."""
    return field.db_type_suffix(POSTGRESQL), getattr(field, "generated", False)


def constrained(operation: operations.AddConstraint, app: str, state: ProjectState) -> str:
    name = operation.constraint.name
    return f"adds {name}, which the release before does not hold to"


def released(operation: operations.RemoveConstraint, app: str, state: ProjectState) -> str | None:
    model = state.models[app, operation.model_name_lower]
    constraint = model.get_constraint_by_name(operation.name)
    if isinstance(constraint, models.CheckConstraint):
        return None
    return f"takes away {operation.name}, which an ON CONFLICT of the release before may need"


def regrouped(
    operation: operations.AlterUniqueTogether, app: str, state: ProjectState
) -> str | None:
    before = state.models[app, operation.name_lower].options.get("unique_together") or ()
    if {tuple(each) for each in before} == set(operation.option_value or ()):
        return None
    return f"changes what of {operation.name_lower} must be unique"


def unknown(
    operation: operations.RunSQL | operations.RunPython, app: str, state: ProjectState
) -> str | None:
    """Nobody but its author can tell, and says so in its hints."""
    does = operation.sql if isinstance(operation, operations.RunSQL) else operation.code
    if does in (operations.RunSQL.noop, operations.RunPython.noop):
        return None
    if operation.hints.get("expands") is True:
        return None
    return "may do anything: the hint expands=True in it says that the release before runs on"


JUDGES = (
    (operations.AddField, added),
    (operations.AlterField, altered),
    (operations.AddConstraint, constrained),
    (operations.RemoveConstraint, released),
    (operations.AlterUniqueTogether, regrouped),
    ((operations.RunSQL, operations.RunPython), unknown),
    # The release before still reads or writes what these take away or rename.
    (
        (
            operations.RemoveField,
            operations.DeleteModel,
            operations.RenameField,
            operations.RenameModel,
            operations.AlterModelTable,
        ),
        takes_away,
    ),
    # Additive, about speed alone, or not about the database at all.
    (
        (
            operations.CreateModel,
            operations.AddIndex,
            operations.RemoveIndex,
            operations.RenameIndex,
            operations.AlterIndexTogether,
            operations.AlterConstraint,
            operations.AlterModelOptions,
            operations.AlterModelManagers,
            operations.AlterModelTableComment,
            CreateCollation,
            CreateExtension,
            ValidateConstraint,
        ),
        harmless,
    ),
)


def hindrance(operation: operations.base.Operation, app: str, state: ProjectState) -> str | None:
    """Why the release before cannot run after this operation on `state`, or None."""
    kind = type(operation).__name__
    if not operation.reversible:
        return f"{kind} cannot be undone"
    for kinds, judge in JUDGES:
        if isinstance(operation, kinds):
            reason = judge(operation, app, state)
            return reason and f"{kind} {reason}"
    return f"{kind} is not known to leave the release before as it is"


def model_of(operation: operations.base.Operation) -> str | None:
    """The model that an operation is about."""
    name = getattr(operation, "name_lower", None)
    return getattr(operation, "model_name_lower", name)


def first_of(
    given: Sequence[operations.base.Operation], app: str, state: ProjectState, made: set[str]
) -> str | None:
    """The first hindrance of operations on `state`, or None; `made` are models they have made."""
    for operation in given:
        reason = None
        if isinstance(operation, operations.SeparateDatabaseAndState):
            # What only Django is told touches no table.
            reason = first_of(operation.database_operations, app, state.clone(), made)
        elif isinstance(operation, operations.CreateModel):
            made.add(operation.name_lower)
        # What the release before does not know it cannot miss.
        elif model_of(operation) not in made:
            reason = hindrance(operation, app, state)
        if reason:
            return reason
        operation.state_forwards(app, state)
    return None


def first_hindrance(loader: MigrationLoader, key: tuple[str, str]) -> str | None:
    """The first hindrance of a migration, or None."""
    app, _ = key
    state = loader.project_state(key, at_end=False)
    return first_of(loader.get_migration(*key).operations, app, state, set())


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
