"""The control of the chaos run: a proof that finds what is wrong with made-up records, and nothing when all is well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos import plan
from tests.chaos.evidence import Accepted, Evidence, Sent
from tests.chaos.proof import findings

MOMENT = datetime(2026, 11, 24, 11, tzinfo=UTC)
PRICE = 1000
VERBS = {"accepted": "capture", "cancelled": "release", "failed": "release"}


@dataclass(frozen=True)
class Records:
    """Accepted (0, 1, 2), cancelled (3), unconfirmed (4, 5): of these the centre has the first."""

    centre: Sequence[Accepted]
    table: Sequence[Sent]
    books: dict[str, int]

    def found(self, *, hit: int = 1, chunk: int = 2, differences: str = "") -> list[str]:
        evidence = Evidence(self.centre, self.table, self.books, differences)
        return findings(evidence, submitted=6, hit=hit, chunk=chunk)

    def changed(self, number: int, **fields: object) -> "Records":
        table = list(self.table)
        table[number] = replace(table[number], **fields)  # type: ignore[arg-type]
        return replace(self, table=table)

    def line(self, number: int, **fields: object) -> "Records":
        centre = list(self.centre)
        centre[number] = replace(centre[number], **fields)  # type: ignore[arg-type]
        return replace(self, centre=centre)


def sent(number: int, state: str) -> Sent:
    return Sent(
        recipient=f"+3361210000{number}",
        text="Chaos 1",
        state=state,
        reason="",
        price=PRICE,
        send_at=MOMENT,
        reference=f"{number}" if state == "accepted" else "",
        claim="a claim",
        verb=VERBS.get(state, ""),
    )


def records() -> Records:
    table = [sent(number, state) for number, state in enumerate(["accepted"] * 3 + ["cancelled"] + ["unconfirmed"] * 2)]
    centre = [Accepted(f"{number}", "worker0", table[number].recipient, "Chaos 1", MOMENT) for number in (0, 1, 2, 4)]
    return Records(centre, table, {"spent": 3 * PRICE, "held": 2 * PRICE, "available": 0})


def twice(fine: Records) -> Records:
    return replace(fine, centre=[*fine.centre, replace(fine.centre[0], id="9", who="worker1")])


def unconfirmed_twice(fine: Records) -> Records:
    return replace(fine, centre=[*fine.centre, replace(fine.centre[3], id="9")])


def lost(fine: Records) -> Records:
    return fine.changed(1, state="scheduled", verb="")


WRONG: dict[str, tuple[Callable[[Records], Records], str]] = {
    "accepted by the centre twice": (twice, "+33612100000: accepted 2 times, from worker0, worker1"),
    "unconfirmed and sent again": (unconfirmed_twice, "+33612100004: accepted 2 times"),
    "lost in the queue": (lost, "lost: it is scheduled"),
    "lost on its way": (lambda fine: fine.changed(1, state="sending", verb=""), "lost: it is sending"),
    "said to be sent, and it was not": (
        lambda fine: replace(fine, centre=fine.centre[1:]),
        "accepted, and the centre never had it",
    ),
    "cancelled, and it left": (
        lambda fine: fine.changed(0, state="cancelled", verb="release"),
        "cancelled (), and the centre accepted it",
    ),
    "gone from the table": (lambda fine: replace(fine, table=fine.table[1:]), "5 are in the table"),
    "sent, and in no table": (lambda fine: fine.line(0, recipient="+33612999999"), "+33612999999: accepted by"),
    "the answer of another message": (
        lambda fine: fine.changed(0, reference="1"),
        "its reference is 1, the centre's 0",
    ),
    "another text": (lambda fine: fine.line(0, text="Chaos 2"), "it left with the text 'Chaos 2'"),
    "a microsecond early": (
        lambda fine: fine.line(0, at=MOMENT - timedelta(microseconds=1)),
        "it left 0:00:00.000001 before its moment",
    ),
    "sent, and given back": (lambda fine: fine.changed(0, verb="release"), "its hold was ended by release"),
    "cancelled, and charged": (lambda fine: fine.changed(3, verb="capture"), "its hold was ended by capture"),
    "charged twice": (lambda fine: replace(fine, books={"spent": 4 * PRICE, "held": PRICE}), "the book spent has 4000"),
    "held for nothing": (lambda fine: replace(fine, books=fine.books | {"held": 0}), "the book held has 0"),
}


def test_of_records_that_agree_nothing_is_found() -> None:
    assert records().found() == []


@pytest.mark.parametrize(("spoilt", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(spoilt: Callable[[Records], Records], sentence: str) -> None:
    assert sentence in "\n".join(spoilt(records()).found())


def test_more_in_doubt_than_was_on_its_way_is_found() -> None:
    assert records().found(hit=0) == ["1 chunks are unconfirmed, and 0 processes were hit"]
    assert records().found(chunk=1) == ["2 messages of the claim a claim are unconfirmed, and a chunk has 1"]


def test_a_ledger_that_does_not_add_up_is_found() -> None:
    assert records().found(differences="Account 1: 5 held") == ["the ledger does not add up: Account 1: 5 held"]


# The plan


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    def of(seed: int) -> plan.Plan:
        return plan.made(seed=seed, messages=20_000, kills=30, flushes=3, restarts=1, beats=2)

    assert of(7) == of(7) != of(8)


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_has_what_was_asked_for_and_every_message_a_number_of_its_own(seed: int) -> None:
    made = plan.made(seed=seed, messages=20_000, kills=30, flushes=3, restarts=1)
    numbers = [number for order in made.orders for number in range(order.first, order.first + order.many)]
    assert sorted(numbers) == list(range(20_000))
    struck = [blow.what for blow in made.blows]
    assert sum(what in (plan.KILL, plan.KILL_CHILD) for what in struck) == 30
    assert (struck.count(plan.FLUSH), struck.count(plan.RESTART), struck.count(plan.EMPTY)) == (3, 1, 1)
    assert {order.then for order in made.orders} == {"", "cancel", "pause"}
    assert any(order.deferred for order in made.orders)
