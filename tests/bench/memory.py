"""The memory of each process: at rest, after its first messages, and after many more; it must not grow with them.

What is measured is the memory of all processes of a program together, what several share counted once (PSS). The
first messages fill caches and pools; growth is what comes after that.
"""

import os

from tests.bench import stand

MESSAGES = int(os.environ.get("BENCH_MEMORY_MESSAGES", "200000"))
# Messages of one submission, and of those that are sent one by one beside each.
EACH, SINGLY = int(os.environ.get("BENCH_MEMORY_EACH", "20000")), 20
TEXT = "Bonjour, votre commande vous attend."
MIB = 1024 * 1024
PROGRAMS = ("web", "interactive", "bulk", "beat", "listener")


def report() -> str:
    return stand.elsewhere("memory")


def _run(there: stand.Stand) -> str:
    from tests import factories

    account = factories.account(millis=10**15)
    sender = factories.sender(account)
    person = there.signed_in(factories.owner(account))
    numbers = "\n".join(factories.mobile(number) for number in range(EACH))

    def send() -> int:
        person.sends(sender.pk, numbers, TEXT)
        for _time in range(SINGLY):
            person.sends(sender.pk, "06 12 34 56 78", TEXT)
        there.settled()
        return EACH + SINGLY

    person.get("/healthz")
    rest = _megabytes(there)
    sent = send()
    moments = [(sent, _megabytes(there))]
    for part in range(1, 5):
        while sent < MESSAGES * part // 4:
            sent += send()
        moments.append((sent, _megabytes(there)))
    heads = " | ".join(f"{count:,}".replace(",", " ") for count, _found in moments)
    lines = [f"| MiB after … messages | rest | {heads} |", "|---|" + "---:|" * (len(moments) + 1)]
    for name in PROGRAMS:
        figures = " | ".join(f"{found[name]:.0f}" for found in [rest, *(found for _count, found in moments)])
        lines.append(f"| {name} | {figures} |")
    return "\n".join([*lines, "", _proof()])


def _megabytes(there: stand.Stand) -> dict[str, float]:
    found = there.processes()
    return {name: sum(process.memory_full_info().pss for process in found[name]) / MIB for name in PROGRAMS}


def _proof() -> str:
    """Each message is recorded as sent once, and the ledger adds up; else AssertionError."""
    from compose.models import Message
    from smsmanager.proof import prove

    assert not Message.objects.exclude(state=Message.State.ACCEPTED, attempts=1).exists()
    assert prove() == []
    return "Each message is recorded as sent once, and the ledger adds up."


def main() -> None:
    with stand.installation() as there:
        there.work()
        there.serve()
        there.listen()
        print(_run(there))


if __name__ == "__main__":
    main()
