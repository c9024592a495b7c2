"""The embedded default, `manage.py up` on SQLite with its own broker: a submission to ten thousand.

From the click (the form's POST over HTTP) to the last recorded answer of the simulator. Then the same submission in
this process, on SQLite too, under the profiler of Python: which part of the way takes how much.
"""

import cProfile
import os
import pstats
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from smsmanager.demo import PASSWORD
from tests.bench.person import Person
from tests.fixtures.instances import Running, installation

RECIPIENTS = int(os.environ.get("BENCH_EMBEDDED_RECIPIENTS", "10000"))
RUNS = int(os.environ.get("BENCH_EMBEDDED_RUNS", "5"))
HOPE = 1000
TEXT = "Bonjour, votre commande vous attend."
PATIENCE = 600  # seconds
GRANT = """
from django.contrib.auth.models import User
from credits.models import Member
from credits import services
from senders.models import Sender
import uuid
member = Member.objects.filter(user__username="claire").order_by("pk").first()
services.grant(member.account, 10**12, by=member.user, reason="Bench", request_key=uuid.uuid4())
print(Sender.objects.filter(account=member.account, kind="alphanumeric", status="enabled", deleted_at=None).first().pk)
"""
# Which part of the way a file of the product or of what it stands on belongs to.
PLACES = {
    "/compose/gateways/": "the simulator",
    "/redis/": "the broker's client, for the simulator",
    "/sqlite3/": "SQLite",
    "/django/db/": "Django's ORM",
    "/compose/": "claim, hand over, settle",
    "/credits/": "the ledger",
}


def report() -> str:
    from tests.factories import mobile

    # The simulator does as an operator may with numbers whose last four digits are low; these it takes.
    numbers = [mobile(number // 9000 * 10_000 + 1000 + number % 9000) for number in range(RECIPIENTS)]
    rates, posts = [], []
    with (
        tempfile.TemporaryDirectory(prefix="sms-", ignore_cleanup_errors=True) as folder,
        installation(Path(folder) / "data", "--port", "0") as running,
    ):
        sender = int(running.manage("shell", "-v", "0", "-c", GRANT).split()[-1])
        where = urlsplit(running.url)
        person = Person(str(where.hostname), int(where.port or 0))
        person.sign_in("claire", PASSWORD)
        for _run in range(RUNS):
            begun = time.perf_counter()
            submission, took = person.sends(sender, "\n".join(numbers), TEXT)
            _wait(running, submission)
            rates.append(RECIPIENTS / (time.perf_counter() - begun))
            posts.append(took)
        proof = running.manage("verify_ledger").strip()
    figure = f"{statistics.median(rates):,.0f}".replace(",", " ")
    said = (
        f"{figure} messages per second (hoped for: {HOPE}), median of {RUNS} runs of {RECIPIENTS} recipients, from the "
        f"click to the last recorded answer; the page came after {statistics.median(posts):.2f} s."
    )
    return "\n\n".join([said, _bottleneck(numbers), f"Each message is recorded as sent once. {proof}"])


def _wait(running: Running, submission: int) -> None:
    """Until each of its messages is recorded as sent, in one attempt."""
    deadline = time.monotonic() + PATIENCE
    taken = "state IN ('accepted', 'delivered', 'undelivered', 'expired') AND attempts = 1"
    with closing(sqlite3.connect(f"file:{running.data_dir}/smsmanager.sqlite3?mode=ro", uri=True)) as database:
        while True:
            query = f"SELECT COUNT(*) FROM compose_message WHERE submission_id = ? AND {taken}"  # noqa: S608
            (count,) = database.execute(query, [submission]).fetchone()
            if count == RECIPIENTS:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count} of {RECIPIENTS} messages were sent in {PATIENCE} s")
            time.sleep(0.05)


def _bottleneck(numbers: list[str]) -> str:
    """Where dispatch spends its time, in this process: SQLite in a file, and the simulator with its broker."""
    from django.test.utils import setup_databases, teardown_databases

    from compose.services import submit
    from tests import factories
    from tests.bench.pages import broker
    from tests.dispatching import dispatch_due

    made = setup_databases(verbosity=0, interactive=False)
    try:
        with broker():
            account = factories.account(millis=10**12)
            draft = factories.draft(account, to="\n".join(numbers))
            begun = time.perf_counter()
            submit(draft, now=factories.NOON)
            submitted = time.perf_counter() - begun
            profile = cProfile.Profile()
            begun = time.perf_counter()
            profile.runcall(dispatch_due, clock=factories.at(factories.NOON), most=10**6)
            dispatched = time.perf_counter() - begun
    finally:
        teardown_databases(made, verbosity=0)
    spent: Counter[str] = Counter()
    for (file, _line, name), (_calls, _primitive, own, _whole, _callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[_place(file, name)] += own
    whole = sum(spent.values())
    shares = ", ".join(f"{place} {share / whole:.0%}" for place, share in spent.most_common(6))
    return (
        f"In one process under the profiler: submit {submitted / RECIPIENTS * 1e6:.0f} µs a message, dispatch "
        f"{dispatched / RECIPIENTS * 1e6:.0f} µs. Of dispatch: {shares}."
    )


def _place(file: str, name: str) -> str:
    if file == "~" and "sqlite3" in name:
        return "SQLite"
    return next((place for part, place in PLACES.items() if part in file), "Python itself")
