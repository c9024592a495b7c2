"""`python -m tests.bench [NAME…]`: the benches of these names, all without one."""

import argparse
import importlib
import os
import platform

import django

NAMES = (
    "segments",
    "numbers",
    "pages",
    "keys",
    "paste",
    "ledger",
    "kannel",
    "doors",
    "smpp",
    "inbox",
    "dispatch",
    "submission",
    "lanes",
    "minute",
    "embedded",
    "memory",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="How fast it is, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(NAMES)} (default: all)")
    chosen = parser.parse_args().names or NAMES
    if unknown := sorted(set(chosen) - set(NAMES)):
        parser.error(f"There is no bench called {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.bench import races  # after the settings

    for name in chosen:
        print(f"## {name.capitalize()}\n\nPython {platform.python_version()}, {races.load()}.\n", flush=True)
        print(importlib.import_module(f"tests.bench.{name}").report() + "\n", flush=True)


if __name__ == "__main__":
    main()
