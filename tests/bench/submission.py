"""A submission to a hundred thousand, from the click to the last recorded answer, ending with the proof.

The click is the form's POST to gunicorn. Celery workers and beat run as in production, on PostgreSQL that waits for its
disk, and an SMSC in a process of its own answers at once. In turns with it: bare rows by one INSERT … SELECT unnest on
the same server, the same messages with a Celery task for each, and Kannel from its HTTP interface to an SMSC.
"""

import os
import statistics
import time
from collections import Counter
from datetime import timedelta

from tests.bench import rows, stand
from tests.bench.smpp_ends import digest

RECIPIENTS = int(os.environ.get("BENCH_SUBMISSION_RECIPIENTS", "100000"))
TURNS = int(os.environ.get("BENCH_SUBMISSION_TURNS", "5"))
# Of the bulk lane: child processes that send.
CHILDREN = int(os.environ.get("BENCH_SUBMISSION_WORKERS", "2"))
# Messages that get a task each, after so many that do not count.
ALONE, WARMING = int(os.environ.get("BENCH_SUBMISSION_ALONE", "300")), 150

WAY, ROWS, BARE, SINGLE, KANNEL = "way", "rows", "bare", "single", "kannel"
PARTS = {
    WAY: f"messages of a submission to {RECIPIENTS}, from the click to the last recorded answer",
    ROWS: "bare rows by one INSERT … SELECT unnest into a copy of the table, its indexes and foreign keys",
    BARE: "the same without foreign keys",
    SINGLE: "messages with a Celery task each, from the first task to the last recorded answer",
    KANNEL: "messages of Kannel, from HTTP to SMPP",
}
RATIOS = [
    ("submission / bare rows", WAY, ROWS, 0.2),
    ("submission / bare rows without foreign keys", WAY, BARE, 0.2),
    ("submission / a task for each message", WAY, SINGLE, 50),
    ("submission / Kannel", WAY, KANNEL, 1),
]


def report() -> str:
    return stand.elsewhere("submission")


class _Bench:
    def __init__(self, there: stand.Stand) -> None:
        from tests import factories

        self.there = there
        self.account = factories.account(millis=10**12)
        self.sender = factories.sender(self.account)
        self.person = there.signed_in(factories.owner(self.account))
        self.numbers = [factories.mobile(number) for number in range(RECIPIENTS)]
        self.digest = digest(number[1:] for number in self.numbers)
        self.answered: list[float] = []
        self.worked: list[Counter[str]] = []
        self.loads: list[float] = []
        # The key of the last submission.
        self.last = 0
        rows.prepare()

    def run(self) -> str:
        from tests.bench.kannel import kannel_rate

        parts = {WAY: self.way, ROWS: self.rows, BARE: self.bare, SINGLE: self.single, KANNEL: kannel_rate}
        # Connections open and caches fill.
        self.submitted(self.numbers[: min(5000, RECIPIENTS)])
        self.alone(WARMING)
        rates: dict[str, list[float]] = {name: [] for name in parts}
        for turn in range(TURNS):
            # Who goes first changes, so that what else the machine does meets all of them.
            names = list(parts)[turn % len(parts) :] + list(parts)[: turn % len(parts)]
            for name in names:
                rate = parts[name]()
                if rate is not None:
                    rates[name].append(rate)
            self.loads.append(os.getloadavg()[0])
        lines = [f"| per second, median of {TURNS} turns | |", "|---|---:|"]
        lines += [f"| {PARTS[name]} | {_figure(statistics.median(found))} |" for name, found in rates.items() if found]
        lines += ["", "| ratio, median of those of each turn | | target |", "|---|---:|---:|"]
        for what, above, below, target in RATIOS:
            if rates[below]:
                ratio = statistics.median(up / down for up, down in zip(rates[above], rates[below], strict=True))
                lines.append(f"| {what} | {ratio:.2f} | ≥ {target:g} |")
        said = f"The page after the click came after {statistics.median(self.answered):.1f} s; "
        said += f"{CHILDREN} bulk worker processes, load average {min(self.loads):.1f} to {max(self.loads):.1f}."
        return "\n".join([*lines, "", said, "", self.work(), "", self.proof()])

    def work(self) -> str:
        """What kept the processors busy."""
        each = {
            name: statistics.median(found[name] for found in self.worked) / RECIPIENTS * 1e6
            for name in ("web", "postgres", "bulk", "smsc", "interactive", "beat", "redis")
        }
        said = ", ".join(f"{name} {micros:.0f}" for name, micros in each.items())
        return f"Microseconds of processor time for each message: {said}; {sum(each.values()):.0f} in all."

    def submitted(self, numbers: list[str]) -> float:
        """Send one message to these, by the form; how long it took to the last recorded answer, in seconds."""
        begun = time.perf_counter()
        self.last, took = self.person.sends(self.sender.pk, "\n".join(numbers), "Bonjour, votre commande vous attend.")
        self.there.settled()
        ended = time.perf_counter()
        self.answered.append(took)
        return ended - begun

    def way(self) -> float:
        self.there.forget()
        before = self.there.worked()
        took = self.submitted(self.numbers)
        self.worked.append(self.there.worked() - before)
        assert self.there.taken() == (RECIPIENTS, RECIPIENTS, self.digest)
        return RECIPIENTS / took

    def rows(self) -> float:
        return self.stored(rows.WITH_KEYS)

    def bare(self) -> float:
        return self.stored(rows.BARE)

    def stored(self, table: str) -> float:
        return rows.per_second(table, self.numbers, submission=self.last, account=self.account.pk)

    def single(self) -> float:
        return self.alone(ALONE)

    def alone(self, many: int) -> float:
        """Messages per second of so many with a task each."""
        from celery import group
        from django.utils import timezone

        from compose.models import Message
        from compose.queues import is_bulk
        from compose.services import submit
        from tests import factories
        from tests.bench.alone import LATER, send_one

        now = timezone.now()
        draft = factories.draft(self.account, to=many, by=self.sender, deferred_to=now + LATER - timedelta(seconds=1))
        submission, _new = submit(draft, now=now)
        waiting = Message.objects.filter(submission=submission).exclude(state=Message.State.ACCEPTED)
        begun = time.perf_counter()
        group(send_one.s(bulk=is_bulk(many)) for _each in range(many)).apply_async()
        stand.until(lambda: not waiting.exists(), "a task for each message did not send them")
        return many / (time.perf_counter() - begun)

    def proof(self) -> str:
        """Each message is recorded as sent once, and the ledger adds up; else AssertionError."""
        from compose.models import Message, Transition
        from smsmanager.proof import prove

        assert not Message.objects.exclude(state=Message.State.ACCEPTED, attempts=1).exists()
        count = Message.objects.count()
        assert Transition.objects.filter(state=Message.State.ACCEPTED).count() == count
        assert prove() == []
        return (
            f"The SMSC took each of {_figure(RECIPIENTS)} numbers once in each run, each of {_figure(count)} messages "
            "is recorded as sent once, and the ledger adds up."
        )


def _figure(rate: float) -> str:
    return f"{rate:,.0f}".replace(",", " ") if rate >= 100 else f"{rate:.1f}"


def main() -> None:
    with stand.installation() as there:
        there.work(bulk=CHILDREN, interactive=1, alone=1)
        there.serve()
        print(_Bench(there).run())


if __name__ == "__main__":
    main()
