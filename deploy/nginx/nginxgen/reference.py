"""Every field of a description as a table, for README.md and `--fields`."""

from collections.abc import Iterator
from typing import Any

from nginxgen.description import Description, sections, settings
from nginxgen.reading import variables


def reference() -> str:
    """A Markdown table: field, environment variable, default, unit, what is accepted and why."""
    lines = [
        "| field | variable | default | unit | accepted | meaning |",
        "|---|---|---|---|---|---|",
    ]
    defaults = dict(_defaults())
    for variable, path, setting in variables():
        name = ".".join(path)
        cells = (
            f"`{name}`",
            f"`{variable}`",
            _shown(defaults[name]),
            setting.unit,
            setting.kind.expected,
            setting.why,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _defaults() -> Iterator[tuple[str, Any]]:
    for name, _ in settings(Description):
        yield name, Description.__dataclass_fields__[name].default
    for section, owner in sections(Description):
        for name, _ in settings(owner):
            yield f"{section}.{name}", owner.__dataclass_fields__[name].default  # type: ignore[attr-defined]


def _shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default}`"
