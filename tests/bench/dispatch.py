"""Dispatch on PostgreSQL: claim, hand over and settle beside bare rows, ending with the proof.

Needs a server: the one of DATABASE_URL, else one of its own, which is gone afterwards. The gateway takes everything
at once, so that what is measured is the product and its database.
"""

import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import django

from tests.bench import rows

BATCH = 1000
# Messages of a part of a turn, of the whole way in a turn, and of the way of one message at a time.
MESSAGES = int(os.environ.get("BENCH_DISPATCH_MESSAGES", "8000"))
WHOLE = int(os.environ.get("BENCH_DISPATCH_WHOLE", "20000"))
ALONE = 50
TURNS = int(os.environ.get("BENCH_DISPATCH_TURNS", "5"))

ROWS, BARE, CLAIM, ONE, TWO, WAY, SINGLE = "rows", "bare", "claim", "one", "two", "way", "single"
PARTS = {
    ROWS: "bare rows by one INSERT … SELECT unnest into a copy of the table, its indexes and foreign keys",
    BARE: "the same without foreign keys",
    CLAIM: f"messages claimed, in batches of {BATCH}",
    ONE: f"messages sent and recorded, claimed and handed over in batches of {BATCH}, one worker",
    TWO: "the same, two workers",
    WAY: f"a submission of {WHOLE} from `submit` to the last recorded answer, two workers",
    SINGLE: "messages sent and recorded one at a time, one worker",
}
RATIOS = [
    ("send and record / claim alone", ONE, CLAIM, 0.25),
    ("two workers / one", TWO, ONE, 1.6),
    ("submission, the whole way / bare rows", WAY, ROWS, 0.2),
    ("submission, the whole way / bare rows without foreign keys", WAY, BARE, 0.2),
    ("in batches / one at a time", ONE, SINGLE, None),
]


def report() -> str:
    from django.db import connection

    if connection.vendor == "postgresql":
        return _report()
    from tests.tooling.postgres import cluster

    with cluster() as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.dispatch"],
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout.rstrip()


def _report() -> str:
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    # There is no broker here, and nothing that would miss its nudges.
    logging.disable(logging.WARNING)
    made = setup_databases(verbosity=0, interactive=False)
    try:
        return _Bench().run()
    finally:
        connection.close()
        teardown_databases(made, verbosity=0)


class _Bench:
    def __init__(self) -> None:
        from tests import factories

        self.account = factories.account(millis=10**12)
        # How often each message was handed over, by its number.
        self.sent: Counter[str] = Counter()
        self.now = factories.NOON
        rows.prepare()

    def run(self) -> str:
        parts: dict[str, Callable[[], float]] = {
            ROWS: partial(self.stored, rows.WITH_KEYS),
            BARE: partial(self.stored, rows.BARE),
            CLAIM: self.claimed,
            ONE: partial(self.sent_by, 1, MESSAGES),
            TWO: partial(self.sent_by, 2, MESSAGES),
            WAY: partial(self.sent_by, 2, WHOLE, whole=True),
            SINGLE: partial(self.sent_by, 1, ALONE, size=1),
        }
        # Connections open and caches fill.
        self.sent_by(1, ALONE)
        rates: dict[str, list[float]] = {name: [] for name in parts}
        for turn in range(TURNS):
            # Who goes first changes, so that what else the machine does meets all of them.
            names = list(parts)[turn % len(parts) :] + list(parts)[: turn % len(parts)]
            for name in names:
                rates[name].append(parts[name]())
        lines = [f"| per second, median of {TURNS} turns | |", "|---|---:|"]
        lines += [f"| {PARTS[name]} | {_figure(statistics.median(found))} |" for name, found in rates.items()]
        lines += ["", "| ratio, median of those of each turn | | target |", "|---|---:|---:|"]
        for what, above, below, target in RATIOS:
            pairs = zip(rates[above], rates[below], strict=True)
            ratio = statistics.median(upper / lower for upper, lower in pairs)
            lines.append(f"| {what} | {ratio:.2f} | {'' if target is None else f'≥ {target:g}'} |")
        return "\n".join([*lines, "", self.proof()])

    def stored(self, table: str) -> float:
        from compose.models import Submission
        from tests.factories import mobile

        numbers = [mobile(number) for number in range(MESSAGES)]
        last = Submission.objects.latest("pk")
        return rows.per_second(table, numbers, submission=last.pk, account=self.account.pk)

    def claimed(self) -> float:
        """Claims only. What is claimed here comes back when its lease is over, and is sent then, outside the clock."""
        from compose import claims, dispatch

        self.submitted(MESSAGES)
        count, begun = 0, time.perf_counter()
        while made := claims.claim_due(clock=lambda: self.now, size=BATCH)[0]:
            count += sum(len(claim.messages) for claim in made)
        rate = count / (time.perf_counter() - begun)
        assert count == MESSAGES
        self.now += timedelta(minutes=5)
        while dispatch.sweep(clock=lambda: self.now):
            pass
        self.sent_by(1, 0)
        return rate

    def submitted(self, many: int) -> None:
        from compose.services import submit
        from tests import factories

        submit(factories.draft(self.account, to=many), now=self.now)

    def sent_by(self, workers: int, many: int, *, size: int = BATCH, whole: bool = False) -> float:
        """Messages per second of a new submission of so many; with `whole` the clock starts before it is made."""
        from django.db import connection

        from compose.services import submit
        from tests import factories

        draft = factories.draft(self.account, to=max(1, many))
        if many and not whole:
            submit(draft, now=self.now)
        connection.close()
        fork = multiprocessing.get_context("fork")
        start, said = fork.Barrier(workers + 1), fork.Queue()
        processes = [fork.Process(target=self.work, args=(start, said, size)) for _worker in range(workers)]
        for process in processes:
            process.start()
        begun = time.perf_counter()
        if whole:
            submit(draft, now=self.now)
        start.wait()
        if not whole:
            begun = time.perf_counter()
        answers: list[tuple[float, list[str]]] = [said.get(timeout=600) for _worker in processes]
        for process in processes:
            process.join()
        for _ended, numbers in answers:
            self.sent.update(numbers)
        # One clock for all processes of a machine.
        return many / (max(ended for ended, _numbers in answers) - begun)

    def work(self, start: Any, said: Any, size: int) -> None:
        """A worker, in a process of its own: until nothing is due."""
        from django.db import connection

        from compose import dispatch
        from tests.dispatching import dispatch_due
        from tests.gateways_for_tests import scripted_gateway

        vars(dispatch)["BATCH"] = size
        connection.ensure_connection()
        with scripted_gateway(batch_size=size) as gateway:
            start.wait()
            while dispatch_due(clock=lambda: self.now, most=10**6):
                pass
            said.put((time.perf_counter(), [message.id for message in gateway.sent]))

    def proof(self) -> str:
        """Each message was handed over once and its answer kept, and the ledger adds up; else AssertionError."""
        from compose.models import Message
        from smsmanager.proof import prove

        pks = {str(pk) for pk in Message.objects.values_list("pk", flat=True)}
        assert set(self.sent) == pks
        assert set(self.sent.values()) == {1}
        assert not Message.objects.exclude(state=Message.State.ACCEPTED).exists()
        assert prove() == []
        return f"Each of {_figure(len(pks))} messages was handed over once and is recorded as sent; the ledger adds up."


def _figure(rate: float) -> str:
    return f"{rate:,.0f}".replace(",", " ")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    print(_report())


if __name__ == "__main__":
    main()
