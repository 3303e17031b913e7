#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line

from chatire import env


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", env.settings_module())
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
