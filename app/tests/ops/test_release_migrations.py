"""release/migrations.py: what the release that still runs would not survive is refused."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.functions import Now

SCRIPT = Path(__file__).resolve().parents[3] / "release/migrations.py"

# What the release before has.
BEFORE = (
    migrations.CreateModel("Room", [("id", models.AutoField(primary_key=True))]),
    migrations.CreateModel(
        "Note",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("number", models.IntegerField()),
            ("name", models.CharField(max_length=50)),
            ("maybe", models.CharField(max_length=50, null=True)),
            ("dated", models.DateTimeField(db_default=Now())),
            ("code", models.CharField(max_length=50, unique=True)),
            ("room", models.ForeignKey("shop.Room", models.CASCADE, null=True)),
            ("loose", models.ForeignKey("shop.Room", models.CASCADE, "+", db_constraint=False)),
            ("rooms", models.ManyToManyField("shop.Room", related_name="+")),
        ],
        options={
            "unique_together": {("number", "name")},
            "constraints": [
                models.CheckConstraint(condition=models.Q(number__gt=0), name="positive"),
                models.UniqueConstraint(fields=["maybe"], name="once"),
            ],
            "indexes": [models.Index(fields=["name"], name="by_name")],
        },
    ),
)
ONCE = models.UniqueConstraint(fields=["number"], name="number_once")
LARGE = models.CheckConstraint(condition=models.Q(number__gt=9), name="large")


def nothing(*_: Any) -> None:
    """For RunPython."""


def add(field: models.Field[Any, Any]) -> Operation:
    return migrations.AddField("note", "more", field)


def alter(name: str, field: models.Field[Any, Any]) -> Operation:
    return migrations.AlterField("note", name, field)


def sql(**hints: bool) -> Operation:
    return migrations.RunSQL("SELECT 1", "SELECT 1", hints=hints)


def python(**hints: bool) -> Operation:
    return migrations.RunPython(nothing, nothing, hints=hints)


@pytest.fixture(scope="module")
def judge() -> Any:
    spec = spec_from_file_location("release_migrations", SCRIPT)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(judge: Any, *given: Operation) -> str | None:
    """The first hindrance of a migration of these operations."""
    state = ProjectState()
    for operation in BEFORE:
        operation.state_forwards("shop", state)
    reason: str | None = judge.first_of(given, "shop", state, set())
    return reason


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (migrations.RemoveField("note", "name"), "RemoveField takes away"),
        (migrations.DeleteModel("note"), "DeleteModel takes away"),
        (migrations.RenameField("note", "name", "title"), "RenameField takes away"),
        (migrations.RenameModel("note", "Memo"), "RenameModel takes away"),
        (migrations.AlterModelTable("note", "memo"), "AlterModelTable takes away"),
        (add(models.IntegerField(default=1)), "AddField demands note.more"),
        (add(models.IntegerField(db_default=1, unique=True)), "AddField makes note.more unique"),
        (alter("maybe", models.CharField(max_length=50)), "demands note.maybe"),
        # The release before gives NULL by name, so a default of the table's is no help.
        (alter("maybe", models.CharField(max_length=50, db_default="")), "demands note.maybe"),
        (alter("dated", models.DateTimeField()), "demands note.dated"),
        (alter("name", models.CharField(max_length=49)), "varchar(49), it was varchar(50)"),
        (alter("number", models.SmallIntegerField()), "smallint, it was integer"),
        (alter("number", models.TextField()), "text, it was integer"),
        (alter("name", models.IntegerField()), "integer, it was varchar(50)"),
        (alter("number", models.PositiveIntegerField()), "checks note.number"),
        (alter("number", models.IntegerField(db_column="n")), "renames the column"),
        (alter("number", models.IntegerField(unique=True)), "whether note.number is unique"),
        (alter("code", models.CharField(max_length=50)), "whether note.code is unique"),
        (alter("name", models.CharField(max_length=50, db_collation="C")), "the collation"),
        (alter("id", models.BigIntegerField(primary_key=True)), "fills note.id in"),
        (alter("loose", models.ForeignKey("shop.Room", models.CASCADE, "+")), "refer to shop_room"),
        (alter("rooms", models.ManyToManyField("shop.Note")), "the tables of note.rooms"),
        (migrations.AddConstraint("note", ONCE), "AddConstraint adds number_once"),
        (migrations.AddConstraint("note", LARGE), "AddConstraint adds large"),
        (AddConstraintNotValid("note", LARGE), "AddConstraintNotValid adds large"),
        (migrations.RemoveConstraint("note", "once"), "RemoveConstraint takes away once"),
        (migrations.AlterUniqueTogether("note", {("name", "code")}), "of note must be unique"),
        (migrations.AlterUniqueTogether("note", set()), "of note must be unique"),
        (migrations.AlterOrderWithRespectTo("note", "room"), "is not known"),
        (migrations.RunSQL("SELECT 1", hints={"expands": True}), "RunSQL cannot be undone"),
        (migrations.RunPython(nothing), "RunPython cannot be undone"),
        (sql(), "RunSQL may do anything"),
        (python(), "RunPython may do anything"),
        (python(expands=False), "RunPython may do anything"),
        (migrations.SeparateDatabaseAndState([sql()], []), "RunSQL may do anything"),
    ],
)
def test_what_the_release_before_would_not_survive_is_refused(
    judge: Any, operation: Operation, reason: str
) -> None:
    assert reason in (judged(judge, operation) or "")


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        add(models.IntegerField(null=True)),
        add(models.IntegerField(null=True, unique=True)),
        add(models.IntegerField(db_default=1)),
        add(models.ManyToManyField("shop.Room")),
        alter("number", models.BigIntegerField()),
        alter("number", models.IntegerField(null=True, db_index=True)),
        alter("number", models.IntegerField("a number", default=3, help_text="of it")),
        alter("name", models.CharField(max_length=51)),
        alter("name", models.TextField()),
        alter("maybe", models.CharField(max_length=50, null=True, db_default="")),
        alter("room", models.ForeignKey("shop.Room", models.SET_NULL, null=True)),
        alter(
            "room", models.ForeignKey("shop.Room", models.CASCADE, null=True, db_constraint=False)
        ),
        alter("rooms", models.ManyToManyField("shop.Room", related_name="+", blank=True)),
        migrations.AlterField("room", "id", models.BigAutoField(primary_key=True)),
        migrations.AddIndex("note", models.Index(fields=["code"], name="by_code")),
        AddIndexConcurrently("note", models.Index(fields=["code"], name="by_code")),
        migrations.RenameIndex("note", "named", old_name="by_name"),
        migrations.RemoveIndex("note", "by_name"),
        migrations.RemoveConstraint("note", "positive"),
        migrations.AlterUniqueTogether("note", {("number", "name")}),
        migrations.AlterModelOptions("note", {"ordering": ["id"]}),
        migrations.RunSQL("", ""),
        migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop),
        sql(expands=True),
        python(expands=True),
        migrations.SeparateDatabaseAndState([sql(expands=True)], []),
        migrations.SeparateDatabaseAndState([], [migrations.DeleteModel("note")]),
    ],
)
def test_what_only_adds_is_let_through(judge: Any, operation: Operation) -> None:
    assert judged(judge, operation) is None


def test_a_model_that_the_same_migration_makes_may_be_changed(judge: Any) -> None:
    made = migrations.CreateModel(
        "Other", [("id", models.BigAutoField(primary_key=True)), ("number", models.IntegerField())]
    )
    later = (
        migrations.AddConstraint("other", ONCE),
        migrations.AlterUniqueTogether("other", {("id", "number")}),
        migrations.AlterField("other", "number", models.SmallIntegerField()),
        migrations.RemoveField("other", "number"),
    )
    assert judged(judge, made, *later) is None
    assert judged(judge, made, migrations.AddConstraint("note", ONCE))


def test_each_operation_is_judged_on_what_those_before_it_left(judge: Any) -> None:
    longer = alter("name", models.CharField(max_length=80))
    assert "it was varchar(80)" in (
        judged(judge, longer, alter("name", models.CharField(max_length=60))) or ""
    )


def test_of_the_chats_own_only_sql_is_refused(judge: Any) -> None:
    own = ("accounts.", "chat.", "realtime.")
    found = {name: why for name, why in judge.hindrances().items() if name.startswith(own)}
    refused = {name for name, why in found.items() if why}
    assert len(found) > len(refused)
    assert refused == {"chat.0002_history", "realtime.0001_harden"}
