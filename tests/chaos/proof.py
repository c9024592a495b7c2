"""What is wrong with the evidence of a run: nothing lost, nothing twice, nothing early, and paid for what was sent."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby

from tests.chaos.evidence import Accepted, Evidence, Sent

TAKEN = frozenset({"accepted", "delivered", "undelivered"})
NEVER_LEFT = frozenset({"failed", "cancelled"})
UNCONFIRMED = "unconfirmed"
# The transfer that ends the hold of a message in such a state.
ENDED_BY = {**dict.fromkeys(TAKEN, "capture"), **dict.fromkeys(NEVER_LEFT, "release"), UNCONFIRMED: ""}


def findings(evidence: Evidence, *, submitted: int, hit: int, chunk: int) -> list[str]:
    """A sentence for each thing that is wrong; none when all is well.

    `submitted` messages there must be; so many processes were `hit` while they may have had a chunk on its way, which
    holds at most `chunk` messages.
    """
    found = []
    if len(evidence.messages) != submitted:
        found.append(f"{submitted} messages were submitted, {len(evidence.messages)} are in the table")
    centre: dict[str, list[Accepted]] = defaultdict(list)
    for line in evidence.accepted:
        centre[line.recipient].append(line)
    for message in evidence.messages:
        found += (f"{message.recipient}: {what}" for what in _of_one(message, centre.pop(message.recipient, [])))
    found += (f"{recipient}: accepted by the centre, and in no table" for recipient in centre)
    found += _of_doubts(evidence, hit, chunk)
    found += _of_credits(evidence)
    if evidence.differences:
        found.append(f"the ledger does not add up: {evidence.differences}")
    return found


def _of_one(message: Sent, lines: list[Accepted]) -> Iterator[str]:
    """What is wrong with a message, of which the centre has these lines."""
    times = len(lines)
    if message.state not in ENDED_BY:
        yield f"lost: it is {message.state} ({message.reason}), and the centre has it {times} times"
    elif message.state in TAKEN and times == 0:
        yield f"{message.state}, and the centre never had it"
    elif message.state in NEVER_LEFT and times:
        yield f"{message.state} ({message.reason}), and the centre accepted it"
    if times > 1:
        yield f"accepted {times} times, from {', '.join(line.who for line in lines)}"
    if message.state in TAKEN and times == 1 and lines[0].id != message.reference:
        yield f"its reference is {message.reference}, the centre's {lines[0].id}"
    for line in lines:
        if line.text != message.text:
            yield f"it left with the text {line.text!r} instead of {message.text!r}"
        if line.at < message.send_at:
            yield f"it left {message.send_at - line.at} before its moment, from {line.who}"
    if message.verb != ENDED_BY.get(message.state, message.verb):
        yield f"{message.state}, and its hold was ended by {message.verb or 'nothing'}"


def _of_doubts(evidence: Evidence, hit: int, chunk: int) -> Iterator[str]:
    """No more in doubt than was on its way when processes were hit: a chunk of each."""
    claims = Counter(message.claim for message in evidence.messages if message.state == UNCONFIRMED)
    if len(claims) > hit:
        yield f"{len(claims)} chunks are unconfirmed, and {hit} processes were hit"
    for claim, count in claims.items():
        if count > chunk:
            yield f"{count} messages of the claim {claim} are unconfirmed, and a chunk has {chunk}"


def _of_credits(evidence: Evidence) -> Iterator[str]:
    """The books hold what the messages' states say."""
    by_state = sorted(evidence.messages, key=lambda message: message.state in TAKEN)
    paid = {taken: sum(one.price for one in group) for taken, group in groupby(by_state, lambda m: m.state in TAKEN)}
    held = sum(message.price for message in evidence.messages if message.state not in TAKEN | NEVER_LEFT)
    for book, expected in (("spent", paid.get(True, 0)), ("held", held)):
        if evidence.books.get(book, 0) != expected:
            yield f"the book {book} has {evidence.books.get(book, 0)}, its messages cost {expected}"
