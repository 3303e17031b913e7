"""Holds every role's argument specs against its defaults: the same options, the same values.

Exit status 1 and a line for each difference. Run by `make lint`, in the folder of the playbooks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROLES = Path(__file__).parent / "roles"


def differences(role: Path) -> Iterator[str]:
    """What a role's documentation and its defaults do not agree in."""
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8")) or {}
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    for name in sorted(defaults.keys() - options.keys()):
        yield f"{role.name}: {name} has a default and no argument spec"
    for name in sorted(options.keys() - defaults.keys()):
        if not options[name].get("required"):
            yield f"{role.name}: {name} has an argument spec and no default"
    for name in sorted(options.keys() & defaults.keys()):
        if options[name].get("default") != defaults[name]:
            yield (
                f"{role.name}: {name} is {defaults[name]!r} by default, "
                f"and {options[name].get('default')!r} by its argument spec"
            )
        if not name.startswith(f"{role.name}_"):
            yield f"{role.name}: {name} does not begin with the role's name"


if __name__ == "__main__":
    found = [line for role in sorted(ROLES.iterdir()) for line in differences(role)]
    print(*found, sep="\n", file=sys.stderr)
    sys.exit(bool(found))
