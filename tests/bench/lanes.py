"""One message from the form's POST to its recorded answer: on an idle system, and beside a submission to many.

gunicorn, workers of both lanes and beat run as in production, on PostgreSQL, and an SMSC answers at once.
"""

import os
import statistics
import time

from tests.bench import stand

RECIPIENTS = int(os.environ.get("BENCH_LANES_RECIPIENTS", "100000"))
TURNS = int(os.environ.get("BENCH_LANES_TURNS", "5"))
# Messages of each turn on the idle system; beside the submission there are as many as find room.
MESSAGES = int(os.environ.get("BENCH_LANES_MESSAGES", "20"))
TARGET = 1.5
TEXT = "Bonjour, votre commande vous attend."


def report() -> str:
    return stand.elsewhere("lanes")


class _Bench:
    def __init__(self, there: stand.Stand) -> None:
        from tests import factories

        self.there = there
        self.account = factories.account(millis=10**12)
        self.sender = factories.sender(self.account)
        self.person = there.signed_in(factories.owner(self.account))
        self.other = there.signed_in(factories.owner(self.account))
        self.numbers = "\n".join(factories.mobile(number) for number in range(RECIPIENTS))

    def run(self) -> str:
        for _time in range(5):
            self.one()
        idle, busy, ratios = [], [], []
        for _turn in range(TURNS):
            alone = [self.one() for _time in range(MESSAGES)]
            beside = self.beside()
            idle += alone
            busy += beside
            ratios.append(_median(beside) / _median(alone))
        lines = ["| from POST to recorded answer | POST alone | recorded: median | worst | messages |"]
        lines.append("|---|---:|---:|---:|---:|")
        for name, found in (("idle", idle), (f"beside a submission to {RECIPIENTS}", busy)):
            whole = [sum(one) for one in found]
            posts = statistics.median(post for post, _rest in found)
            lines.append(
                f"| {name} | {posts * 1000:.0f} ms | {statistics.median(whole) * 1000:.0f} ms | "
                f"{max(whole) * 1000:.0f} ms | {len(found)} |"
            )
        said = f"Ratio of the medians, median of {TURNS} turns: {statistics.median(ratios):.2f} (target: ≤ {TARGET})."
        return "\n".join([*lines, "", said, "", self.proof()])

    def one(self) -> tuple[float, float]:
        """Seconds for the POST of one message, and from its answer to the gateway's recorded one."""
        from compose.models import Message

        submission, took = self.person.sends(self.sender.pk, "06 12 34 56 78", TEXT)
        begun = time.perf_counter()
        sent = Message.objects.filter(submission=submission, state=Message.State.ACCEPTED)
        stand.until(sent.exists, "the message did not leave", every=0.002)
        return took, time.perf_counter() - begun

    def beside(self) -> list[tuple[float, float]]:
        """As many as there is time for while a submission is under way, from the answer to its click on."""
        from compose.models import Message

        submission, _took = self.other.sends(self.sender.pk, self.numbers, TEXT)
        waiting = Message.objects.filter(state=Message.State.SCHEDULED, gateway="default", bulk=True)
        waiting = waiting.filter(submission=submission)
        found = []
        while True:
            took = self.one()
            if not waiting.exists():
                # The submission ended meanwhile: this one was not beside it to its end.
                break
            found.append(took)
        self.there.settled()
        assert found, "the submission was over before one message had left"
        return found

    def proof(self) -> str:
        """Each message is recorded as sent once, and the ledger adds up; else AssertionError."""
        from compose.models import Message
        from smsmanager.proof import prove

        assert not Message.objects.exclude(state=Message.State.ACCEPTED, attempts=1).exists()
        assert self.there.taken()[0] == Message.objects.count()
        assert prove() == []
        return "Each message was taken by the SMSC once and is recorded as sent, and the ledger adds up."


def _median(found: list[tuple[float, float]]) -> float:
    return statistics.median(sum(one) for one in found)


def main() -> None:
    with stand.installation() as there:
        there.work()
        there.serve()
        print(_Bench(there).run())


if __name__ == "__main__":
    main()
