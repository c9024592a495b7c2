#!/usr/bin/env python
"""Django's command line for the SMS manager."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smsmanager.settings")
    from django.core.management import execute_from_command_line

    from smsmanager.environment import BadEnvironment

    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
