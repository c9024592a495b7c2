"""The fixtures of all tests; each kind has a file in tests/fixtures/."""

import os

import hypothesis
import pytest

from tests.fixtures.brokers import broker, redis_client
from tests.fixtures.browsers import browser, locale, page, page_errors
from tests.fixtures.counters import counters
from tests.fixtures.databases import django_db_setup, fresh_database
from tests.fixtures.instances import running
from tests.fixtures.payments import shop

__all__ = [
    "broker",
    "browser",
    "counters",
    "django_db_setup",
    "fresh_database",
    "locale",
    "page",
    "page_errors",
    "redis_client",
    "running",
    "shop",
]


# A slow machine is no fault of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


# A test that asks for none of these has no database: pytest-django refuses it one. Programs that a test starts may.
WITH_DATABASE = {"db", "transactional_db", "fresh_database", "running"}
MARKS_WITH_DATABASE = ("django_db", "browser", "processes")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only",
        action="store_true",
        help="leave out the tests that use no database: on a second database they would say the same again",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    without = [item for item in items if not _has_database(item)]
    items[:] = [item for item in items if _has_database(item)]
    config.hook.pytest_deselected(items=without)


def _has_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("own_server"):
        return False
    wanted = set(getattr(item, "fixturenames", ()))
    return bool(wanted & WITH_DATABASE) or any(item.get_closest_marker(mark) for mark in MARKS_WITH_DATABASE)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("DJANGO_SETTINGS_MODULE") != "tests.settings":
        raise pytest.UsageError("The tests need DJANGO_SETTINGS_MODULE=tests.settings (pyproject.toml sets it).")
