"""A description from where it is kept: a JSON file's text, or environment variables."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from nginxgen.description import Description, DescriptionError, Setting, sections, settings
from nginxgen.values import Value, ValueRefused

PREFIX = "CHATIRE_NGINX_"

Path = tuple[str, ...]


def variables() -> Iterator[tuple[str, Path, Setting]]:
    """Every environment variable, the field it stands for, and what is known of that field."""
    for name, setting in settings(Description):
        yield _variable((name,), setting), (name,), setting
    for section, owner in sections(Description):
        for name, setting in settings(owner):
            yield _variable((section, name), setting), (section, name), setting


def from_json(text: str) -> Description:
    """The description a JSON object stands for: the fields by their names, sections as objects.

    Raises DescriptionError for what is no JSON, unknown, missing or refused.
    """
    try:
        found = json.loads(text, object_pairs_hook=_without_repetition)
    except ValueError as error:
        if isinstance(error, DescriptionError):
            raise
        raise DescriptionError("description", str(error), "a JSON object") from None
    if not isinstance(found, dict):
        raise DescriptionError("description", found, "a JSON object")
    values = dict(found)
    given = {name: values.pop(name, {}) for name, _ in sections(Description)}
    for name, section in given.items():
        if not isinstance(section, dict):
            raise DescriptionError(name, section, "a JSON object")
    return _description(values, given)


def from_environment(environment: Mapping[str, str]) -> Description:
    """The description that environment variables stand for; an empty one counts as not set.

    Raises DescriptionError for a variable that begins with CHATIRE_NGINX_ and stands for nothing,
    and for a value that is missing or refused; it names the variable.
    """
    known = {variable: (path, setting) for variable, path, setting in variables()}
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable not in known:
            raise DescriptionError(variable, text, _did_you_mean(variable, list(known)))
    top: dict[str, Any] = {}
    given: dict[str, dict[str, Any]] = {name: {} for name, _ in sections(Description)}
    for variable, (path, setting) in known.items():
        if environment.get(variable):
            owner = top if len(path) == 1 else given[path[0]]
            owner[path[-1]] = _read(variable, environment[variable], setting)
    try:
        return _description(top, given)
    except DescriptionError as error:
        names = {".".join(path): variable for variable, path, _ in variables()}
        variable = names.get(error.name, error.name)
        raise DescriptionError(variable, error.found, error.expected) from None


def _description(values: dict[str, Any], given: dict[str, dict[str, Any]]) -> Description:
    """A description from the values of its fields and of its sections' fields."""
    _refuse_unknown(values, Description, "")
    built: dict[str, Any] = {}
    for name, owner in sections(Description):
        _refuse_unknown(given[name], owner, f"{name}.")
        try:
            built[name] = owner(**given[name])
        except DescriptionError as error:
            raise error.within(name) from None
    return Description(**values, **built)


def _refuse_unknown(values: dict[str, Any], owner: type, prefix: str) -> None:
    known = [name for name, _ in settings(owner)]
    if not prefix:
        known += [name for name, _ in sections(owner)]
    for name, value in values.items():
        if name not in known:
            raise DescriptionError(f"{prefix}{name}", value, _did_you_mean(name, known))


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"a known field; did you mean {near[0]}?" if near else "a known field"


def _read(variable: str, text: str, setting: Setting) -> Value:
    try:
        return setting.kind.from_text(text)
    except ValueRefused as error:
        raise DescriptionError(variable, text, str(error)) from None


def _variable(path: Path, setting: Setting) -> str:
    return setting.variable or PREFIX + "_".join(path).upper()


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose every name stands once; json itself lets the last one win."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DescriptionError(twice, "the field twice", "it once")
    return found
