"""Any sequence of the ledger's verbs, repeated, mixed up and cut short, beside a model of plain numbers."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from credits import ledger, owed, proof
from credits.ledger import KeyConflict, NotEnoughCredit
from credits.models import Book
from tests import factories
from tests.factories import balances
from tests.faults import Killed, killed_before

CAUSE = ("test", "1")
AMOUNTS = st.integers(min_value=1, max_value=50)
# Few, so that keys come again, with the same or with something else.
KEYS = st.integers(min_value=0, max_value=12)
WHOSE = st.integers(min_value=0, max_value=1)
# The statement before which the process dies; most of the time none.
DEATH = st.one_of(st.none(), st.none(), st.integers(min_value=0, max_value=7))


@dataclass
class Plain:
    """What an account should have: the balances of its books, and what it owes, oldest first."""

    books: dict[str, int] = field(default_factory=lambda: {"available": 0, "held": 0, "spent": 0})
    owes: list[int] = field(default_factory=list)

    def pay(self) -> None:
        """Credits came from outside."""
        while self.owes and self.owes[0] <= self.books["available"]:
            amount = self.owes.pop(0)
            self.books["available"] -= amount
            self.books["spent"] += amount


class AnySequence(RuleBasedStateMachine):
    """Two accounts of one person; each rule does the same to the ledger and to the model, and expects the same."""

    def __init__(self) -> None:
        super().__init__()
        self.run = uuid.uuid4()
        self.person = factories.user()
        self.accounts = [factories.account(owner=self.person, millis=0) for _number in range(2)]
        self.plain = [Plain(), Plain()]
        self.issued = -Book.objects.get(account=None).balance
        self.done: dict[int | str, tuple[Any, ...]] = {}
        self.owed: dict[int, tuple[int, int]] = {}

    def move(
        self,
        perform: Callable[[str], Any],
        *,
        key: int,
        shape: tuple[Any, ...],
        death: int | None,
        source: tuple[int, str] | None,
        target: tuple[int, str] | None,
        amount: int,
        brings: bool = False,
    ) -> None:
        expected: type[Exception] | None = None
        if key in self.done:
            expected = None if self.done[key] == shape else KeyConflict
        elif source is not None and self.plain[source[0]].books[source[1]] < amount:
            expected = NotEnoughCredit
        if self.dies(perform, key, death, expected) or expected is not None or key in self.done:
            return
        self.done[key] = shape
        for place, change in ((source, -amount), (target, amount)):
            if place is not None:
                self.plain[place[0]].books[place[1]] += change
        if brings and target is not None:
            self.plain[target[0]].pay()

    def dies(
        self, perform: Callable[[str], Any], key: int, death: int | None, expected: type[Exception] | None
    ) -> bool:
        """Do it, in a process that may die of it; a refusal is the expected one."""
        refusal: type[Exception] | None = None
        try:
            with killed_before(-1 if death is None else death):
                perform(f"{self.run}:{key}")
        except Killed:
            return True
        except (KeyConflict, NotEnoughCredit) as error:
            refusal = type(error)
        assert refusal is expected
        return False

    @rule(whose=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH)
    def top_up(self, whose: int, amount: int, key: int, death: int | None) -> None:
        self.move(
            lambda name: ledger.top_up(self.accounts[whose], amount, key=name, cause=CAUSE),
            key=key,
            shape=("top_up", whose, amount),
            death=death,
            source=None,
            target=(whose, "available"),
            amount=amount,
            brings=True,
        )

    @rule(whose=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH, take=st.booleans())
    def adjust(self, whose: int, amount: int, key: int, death: int | None, take: bool) -> None:
        signed = -amount if take else amount
        self.move(
            lambda name: ledger.adjust(
                self.accounts[whose], signed, key=name, cause=CAUSE, by=self.person, reason="Correction"
            ),
            key=key,
            shape=("adjust", whose, signed),
            death=death,
            source=(whose, "available") if take else None,
            target=None if take else (whose, "available"),
            amount=amount,
            brings=not take,
        )

    @rule(whose=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH)
    def hold(self, whose: int, amount: int, key: int, death: int | None) -> None:
        self.move(
            lambda name: ledger.hold(self.accounts[whose], amount, key=name, cause=CAUSE),
            key=key,
            shape=("hold", whose, amount),
            death=death,
            source=(whose, "available"),
            target=(whose, "held"),
            amount=amount,
        )

    @rule(whose=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH, captured=st.booleans())
    def end(self, whose: int, amount: int, key: int, death: int | None, captured: bool) -> None:
        make = ledger.capture if captured else ledger.release
        self.move(
            lambda name: ledger.post([make(self.accounts[whose].pk, amount, key=name, cause=CAUSE)]),
            key=key,
            shape=("capture" if captured else "release", whose, amount),
            death=death,
            source=(whose, "held"),
            target=(whose, "spent" if captured else "available"),
            amount=amount,
        )

    @rule(giver=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH)
    def transfer(self, giver: int, amount: int, key: int, death: int | None) -> None:
        self.move(
            lambda name: ledger.transfer(self.accounts[giver], self.accounts[1 - giver], amount, name, self.person),
            key=key,
            shape=("transfer", giver, amount),
            death=death,
            source=(giver, "available"),
            target=(1 - giver, "available"),
            amount=amount,
            brings=True,
        )

    @rule(whose=WHOSE, amount=AMOUNTS, message=KEYS, death=DEATH)
    def refund(self, whose: int, amount: int, message: int, death: int | None) -> None:
        # A message has one refund in all accounts; its number is unique over the runs.
        number = self.run.int % 10**15 * 100 + message
        self.move(
            lambda _name: ledger.refund(self.accounts[whose].pk, amount, message=number),
            key=-1 - message,
            shape=("refund", whose, amount),
            death=death,
            source=(whose, "spent"),
            target=(whose, "available"),
            amount=amount,
        )

    @rule(whose=WHOSE, amount=AMOUNTS, key=KEYS, death=DEATH)
    def charge(self, whose: int, amount: int, key: int, death: int | None) -> None:
        def perform(name: str) -> None:
            ledger.charge(self.accounts[whose], amount, key=name, cause=CAUSE)

        plain = self.plain[whose]
        if key in self.owed:
            self.dies(perform, key, death, None if self.owed[key] == (whose, amount) else KeyConflict)
        elif key not in self.done and plain.books["available"] < amount:
            if not self.dies(perform, key, death, None):
                self.owed[key] = (whose, amount)
                plain.owes.append(amount)
        else:
            self.move(
                perform,
                key=key,
                shape=("charge", whose, amount),
                death=death,
                source=(whose, "available"),
                target=(whose, "spent"),
                amount=amount,
            )

    @rule(whose=WHOSE, held=AMOUNTS, captured=AMOUNTS, key=KEYS)
    def together(self, whose: int, held: int, captured: int, key: int) -> None:
        """Two movements, made both or not at all."""
        account, plain = self.accounts[whose].pk, self.plain[whose]
        names = [f"{self.run}:both:{key}:{held}:{captured}:{part}" for part in "ab"]
        if held > plain.books["available"] or captured > plain.books["held"] + held or names[0] in self.done:
            return
        both = [
            ledger.Movement(verb=ledger.Verb.HOLD, account=account, amount=held, key=names[0], cause=CAUSE),
            ledger.capture(account, captured, key=names[1], cause=CAUSE),
        ]
        assert not self.dies(lambda _name: ledger.post(both), key, None, None)
        assert self.dies(lambda _name: ledger.post(both), key, 2, None)
        assert ledger.post(both).keys() == set(names)
        plain.books["available"] -= held
        plain.books["held"] += held - captured
        plain.books["spent"] += captured
        self.done[names[0]] = ()

    @invariant()
    def every_book_is_what_the_model_says(self) -> None:
        for account, plain in zip(self.accounts, self.plain, strict=True):
            assert balances(account) == plain.books
            assert owed.total(account) == sum(plain.owes)

    def teardown(self) -> None:
        total = sum(sum(plain.books.values()) for plain in self.plain)
        assert -Book.objects.get(account=None).balance == self.issued + total
        assert proof.verify() == []


@pytest.mark.django_db
def test_any_sequence_keeps_the_sums() -> None:
    run_state_machine_as_test(
        AnySequence,
        settings=settings(
            deadline=None,
            max_examples=25,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
