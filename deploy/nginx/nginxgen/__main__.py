"""`python -m nginxgen`: writes the nginx.conf of a site."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nginxgen.config import generate
from nginxgen.description import DescriptionError
from nginxgen.output import write
from nginxgen.reading import from_environment, from_json
from nginxgen.reference import reference

# As argparse has it: what was asked for cannot be done as asked.
USAGE_ERROR = 2


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Does what the command line says. Gives the exit status; errors are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        if options.fields:
            text = reference()
        elif options.description:
            text = generate(from_json(options.description.read_text(encoding="utf-8")))
        else:
            text = generate(from_environment(environment))
        if options.output:
            write(options.output, text)
        else:
            sys.stdout.write(text)
    except (DescriptionError, OSError, UnicodeDecodeError) as error:
        print(f"nginxgen: {error}", file=sys.stderr)
        return USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nginxgen", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--description", type=Path, metavar="FILE", help="read a JSON file")
    source.add_argument("--env", action="store_true", help="read CHATIRE_… environment variables")
    source.add_argument("--fields", action="store_true", help="list every field, as in README.md")
    parser.add_argument("--output", type=Path, metavar="FILE", help="replace FILE, not stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
