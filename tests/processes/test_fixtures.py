"""What the other tests rely on: a database of one's own, an empty broker, a page that fails on complaints."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from playwright.sync_api import Browser, Page

from tests.fixtures.browsers import listen
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.instances import MANAGE, Running

pytestmark = pytest.mark.processes


def people() -> set[str]:
    return set(get_user_model().objects.values_list("username", flat=True))


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_fresh_database_is_shared_by_threads_and_processes_and_by_no_other_test(
    fresh_database: FreshDatabase, name: str
) -> None:
    assert people() == set()
    get_user_model().objects.create_user(name)
    seen: list[set[str]] = []

    def in_a_thread() -> None:
        seen.append(people())
        get_user_model().objects.create_user("thread")
        connection.close()

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert seen == [{name}]
    made = "from django.contrib.auth.models import User; User.objects.create_user('process')"
    subprocess.run([sys.executable, MANAGE, "shell", "-c", made], env=fresh_database.environ, check=True)
    assert people() == {name, "thread", "process"}


@pytest.mark.browser
def test_a_database_is_copied_while_a_browser_runs(
    django_db_setup: None, browser: Browser, fresh_database: FreshDatabase
) -> None:
    assert browser.is_connected()
    assert people() == set()


@pytest.mark.django_db
def test_the_common_database_is_back_after_a_fresh_one() -> None:
    assert "fresh" not in connection.settings_dict["NAME"]
    assert people() == set()


@pytest.mark.parametrize("run", [1, 2])
def test_the_broker_is_empty_when_a_test_begins(redis_client: redis.Redis, run: int) -> None:
    assert redis_client.connection_pool.connection_kwargs["path"] in settings.REDIS_URL
    assert redis_client.dbsize() == 0
    redis_client.set("left", run)


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "language"), [("fr-FR", "fr"), ("en-GB", "en")])
def test_a_page_speaks_the_language_of_its_browser(running: Running, page: Page, language: str) -> None:
    page.goto(running.url)
    assert page.locator("html").get_attribute("lang") == language


@pytest.fixture
def complaints(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page and what it complained about, which is not held against the test."""
    with browser.new_context() as context:
        errors: list[str] = []
        listen(context, errors)
        yield context.new_page(), errors


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<script>fail()</script>", "fail is not defined"),
        ("<script>console.error('broken')</script>", "broken"),
        ("<img src='http://192.0.2.1/x.png'>", "A request left this machine"),
        (
            "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><style>p{}</style>",
            "Content Security Policy",
        ),
    ],
)
def test_a_page_that_complains_is_noticed(
    complaints: tuple[Page, list[str]], running: Running, body: str, complaint: str
) -> None:
    page, errors = complaints
    page.route("**/*", lambda route: route.fulfill(body=f"<!doctype html>{body}", content_type="text/html"))
    page.goto(running.url)
    assert any(complaint in error for error in errors), errors


def test_a_management_command_runs_on_the_running_installation(running: Running) -> None:
    assert running.manage("shell", "--no-imports", "-c", "print(6 * 7)").strip() == "42"
    assert running.log("web")
