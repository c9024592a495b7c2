"""The fixtures of all tests; each kind has a file in tests/fixtures/."""

import os

import hypothesis
import pytest

from tests.fixtures.brokers import broker, redis_client
from tests.fixtures.browsers import browser, locale, page, page_errors
from tests.fixtures.databases import django_db_setup, fresh_database
from tests.fixtures.instances import running
from tests.fixtures.payments import shop

__all__ = [
    "broker",
    "browser",
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


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("DJANGO_SETTINGS_MODULE") != "tests.settings":
        raise pytest.UsageError("The tests need DJANGO_SETTINGS_MODULE=tests.settings (pyproject.toml sets it).")
