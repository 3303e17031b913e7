"""Holds the settings of a tier, as settings.env.j2 writes them, to what the application takes.

Reads them from standard input. Exit status 1 and all that is wrong where a tier would refuse to
start. A setting is told by the variable of its name; those given as arguments, which
chatire_settings holds, by their own.
"""

import re
import sys
from pathlib import Path
from types import ModuleType

APP = Path(__file__).resolve().parents[2] / "app"


def problems(settings: str, own: list[str]) -> str:
    """What the application's own reader says of them; nothing where it takes them."""
    # The reader needs nothing of Django but this exception, and no controller has Django.
    exceptions = ModuleType("django.core.exceptions")
    exceptions.__dict__["ImproperlyConfigured"] = ValueError
    sys.modules[exceptions.__name__] = exceptions
    sys.path.insert(0, str(APP))
    from chatire import env

    lines = [line for line in settings.splitlines() if "=" in line and not line.startswith("#")]
    # Only a host has the secrets.
    without = {"CHATIRE_ENV": "build", "CHATIRE_SECRETS_DIR": "/nonexistent"}
    try:
        env.load(dict(line.split("=", 1) for line in lines) | without)
    except ValueError as error:
        told = str(error).partition(": ")[2]
        return re.sub(
            r"\bCHATIRE_[A-Z_]+(?= (?:is|holds) )",
            lambda name: name[0] if name[0] in own else name[0].lower(),
            told,
        )
    return ""


if __name__ == "__main__":
    sys.exit(problems(sys.stdin.read(), sys.argv[1:]) or 0)
