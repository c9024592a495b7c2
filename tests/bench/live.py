"""A whole installation with its demonstration data, and a browser that is signed in to it."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import installation as people
from tests.fixtures.instances import Running, installation
from tests.tooling import tools

Row = tuple[str, Sequence[float]]


@contextmanager
def signed_in() -> Iterator[tuple[Page, Running]]:
    """The compose page in Chromium, of `manage.py up` on SQLite; both are gone afterwards."""
    arguments = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with (
        tempfile.TemporaryDirectory(prefix="sms-", ignore_cleanup_errors=True) as folder,
        installation(Path(folder) / "data", "--port", "0", "--workers", "1") as running,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=tools.chromium(), args=arguments)
        page = chromium.new_page(locale="en-GB")
        people.sign_in(page, running)
        yield page, running
        chromium.close()


def table(head: str, rows: Sequence[Row], figure: Callable[[float], str]) -> str:
    """The median and the worst of each row in Markdown; `head` says what is measured."""
    lines = [f"| {head} | median | worst | runs |", "|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {figure(statistics.median(took))} | {figure(max(took))} | {len(took)} |" for name, took in rows
    ]
    return "\n".join(lines)
