"""The compose page, beside bare views on the same server: Django's test client, which leaves out only the socket."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import override_settings, setup_databases, teardown_databases

from compose.models import Submission
from credits.models import Member
from smsmanager.embedded import broker as embedded
from smsmanager.embedded.children import Child
from smsmanager.embedded.programs import embedded_broker
from tests import factories
from tests.bench import bare, races

REQUESTS = 60
PATIENCE = 30  # seconds for the broker to start
# So large that no other number of the recorded SQL is the same.
FIRST_SUBMISSION = 7_000_000_001


@contextmanager
def server() -> Iterator[None]:
    """A migrated database and a broker of their own; both are gone afterwards."""
    # As in production: each request of the tests looks for static files anew, and Django's test environment copies
    # the context of each template that is rendered.
    with override_settings(
        ROOT_URLCONF="tests.bench.urls", WHITENOISE_AUTOREFRESH=False, ALLOWED_HOSTS=["testserver"], DEBUG=False
    ):
        made = setup_databases(verbosity=0, interactive=False)
        try:
            with broker():
                yield
        finally:
            teardown_databases(made, verbosity=0)


@contextmanager
def broker() -> Iterator[None]:
    socket = embedded.prepare(settings.DATA_DIR)
    child = Child(embedded_broker(settings.DATA_DIR / "broker", socket), log_dir=settings.DATA_DIR, environ=os.environ)
    child.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while reason := embedded.trouble(settings.REDIS_URL):
            if child.ended() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The broker did not start ({reason}): {child.last_lines(10)}")
            time.sleep(0.05)
        yield
    finally:
        child.kill()
        while child.running:
            time.sleep(0.05)


def start_submissions_high() -> None:
    """Give the submissions numbers that nothing else has."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'compose_submission'")
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('compose_submission', %s)", [FIRST_SUBMISSION - 1]
            )
        else:
            cursor.execute(f"ALTER TABLE compose_submission ALTER COLUMN id RESTART WITH {FIRST_SUBMISSION}")


def report() -> str:
    with server():
        start_submissions_high()
        account = factories.account(millis=1_000_000_000)
        sender = factories.sender(account)
        bare.Recorded.member = Member.objects.select_related("account", "user").get(account=account)
        client = Client(headers={"accept-language": "fr"})
        client.force_login(factories.owner(account))

        def typed() -> dict[str, str]:
            return {
                "sender": str(sender.pk),
                "recipients": "06 12 34 56 78",
                "text": "Bonjour, votre commande vous attend. À demain !",
                "not_commercial": "on",
                "when": "now",
                "message_class": "standard",
                "request_key": str(uuid.uuid4()),
                "action": "send",
            }

        def get(path: str) -> None:
            for _ in range(REQUESTS):
                assert client.get(path).status_code == 200

        def send() -> None:
            for _ in range(REQUESTS):
                assert posted(client, "/", typed()) == 302

        def bare_post(path: str) -> None:
            for _ in range(REQUESTS):
                assert posted(client, path, typed()) == 204

        # The second request is the ordinary one: the first finds nothing in the caches.
        posted(client, "/", typed())
        record(client, typed())
        statements = len(bare.Recorded.statements)
        assert statements == len(recorded(lambda: posted(client, "/bare/verbs/", typed())))
        outcomes = [
            races.run(
                races.Race(
                    name="GET of the compose page; beside: the same form by crispy-forms alone",
                    unit="pages",
                    amount=REQUESTS,
                    ours=lambda: get("/"),
                    theirs=lambda: get("/bare/form/"),
                    target=0.6,
                ),
                clock=time.perf_counter,
            ),
            *(
                races.run(
                    races.Race(
                        name=f"POST that sends a message; beside: {what}",
                        unit="messages",
                        amount=REQUESTS,
                        ours=send,
                        theirs=lambda path=path: bare_post(path),  # type: ignore[misc]
                        target=target,
                    ),
                    clock=time.perf_counter,
                )
                for what, path, target in (
                    (f"its {statements} statements by the ORM, without the form", "/bare/verbs/", 0.6),
                    (f"its {statements} statements as ready-made SQL, without the ORM", "/bare/sql/", 0.6),
                )
            ),
        ]
        vendor = connection.vendor
    about = "Server: Django's test client, with the product's middleware for both, and a broker."
    return f"{races.table(outcomes)}\n\nDatabase: {vendor}. {about}"


def posted(client: Client, path: str, typed: dict[str, str]) -> int:
    """Post the form as a browser does, which has no file to send; returns the status."""
    status: int = client.post(path, urlencode(typed), content_type="application/x-www-form-urlencoded").status_code
    return status


def record(client: Client, typed: dict[str, str]) -> None:
    """Send one message and keep the SQL that it took."""
    bare.Recorded.statements = recorded(lambda: posted(client, "/", typed))
    bare.Recorded.request_key = uuid.UUID(typed["request_key"])
    bare.Recorded.submission = Submission.objects.get(request_key=typed["request_key"]).pk


def recorded(request: Callable[[], int]) -> list[bare.Statement]:
    """The SQL that a request takes."""
    recorder = bare.Recorder()
    with connection.execute_wrapper(recorder):
        assert request() in (204, 302)
    return recorder.statements
