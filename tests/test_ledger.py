"""The ledger: every verb, every key once, nothing below zero, nothing changed afterwards, on either database."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.queries import outstanding_holds
from compose.services import submit
from credits import ledger, triggers
from credits.ledger import KeyConflict, NotEnoughCredit
from credits.models import Account, Book, Transfer
from smsmanager.management.commands import verify_ledger
from tests import factories
from tests.factories import assert_ledger_adds_up, balances
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once

CAUSE = ("test", "1")
COLUMNS = "verb, debit_id, credit_id, amount, key, cause_kind, cause_key, reason, by_id, created_at"


def copy_of_lines(changed: dict[str, str], *, verb: str = "INSERT", with_id: bool = False) -> str:
    """A statement that adds every line of the ledger once more, with these columns changed."""
    columns = ("id, " if with_id else "") + COLUMNS
    values = ", ".join(changed.get(name, name) for name in columns.split(", "))
    return f"{verb} INTO credits_transfer ({columns}) SELECT {values} FROM credits_transfer WHERE true"  # noqa: S608


@pytest.fixture
def account(db: None) -> Account:
    """An account with 10 credits."""
    return factories.account(millis=10_000)


def books(available: int, held: int = 0, spent: int = 0) -> dict[str, int]:
    return {"available": available, "held": held, "spent": spent}


def proven() -> None:
    """Every balance follows from the transfers. (These tests hold credits without messages.)"""
    assert ledger.verify() == []


# Verbs


def test_a_top_up_brings_credits_from_the_installation(account: Account) -> None:
    ledger.top_up(account, 500, key="a", cause=CAUSE)
    assert balances(account) == books(10_500)
    assert Book.objects.get(account=None).balance == -10_500
    assert_ledger_adds_up()


def test_a_hold_sets_credits_aside(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    assert balances(account) == books(6_000, held=4_000)
    proven()


def test_a_capture_spends_what_was_held(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    ledger.post([ledger.capture(account.pk, 3_000, key="b", cause=CAUSE)])
    assert balances(account) == books(6_000, held=1_000, spent=3_000)
    proven()


def test_a_release_gives_back_what_was_held(account: Account) -> None:
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    ledger.post([ledger.release(account.pk, 4_000, key="b", cause=CAUSE)])
    assert balances(account) == books(10_000)
    proven()


def test_a_correction_goes_either_way_and_says_who_and_why(account: Account) -> None:
    by = factories.owner(account)
    taken = ledger.adjust(account, -2_500, key="a", cause=CAUSE, by=by, reason="Given twice")
    ledger.adjust(account, 500, key="b", cause=CAUSE, by=by, reason="Too much taken")
    assert balances(account) == books(8_000)
    assert (taken.verb, taken.amount, taken.by, taken.reason) == ("adjust", 2_500, by, "Given twice")
    assert_ledger_adds_up()


def test_a_grant_tops_up_and_a_negative_grant_corrects(account: Account) -> None:
    assert factories.grant(account, 100).verb == "top_up"
    assert factories.grant(account, -100).verb == "adjust"
    assert balances(account) == books(10_000)


@pytest.mark.django_db
def test_the_first_movement_of_an_account_makes_its_books() -> None:
    bare = Account.objects.create(name="Bare")
    ledger.top_up(bare, 1, key="a", cause=CAUSE)
    assert balances(bare) == books(1)
    assert_ledger_adds_up()


def test_several_movements_are_made_together_or_not_at_all(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(NotEnoughCredit):
        ledger.post(
            [
                ledger.capture(account.pk, 600, key="b", cause=CAUSE),
                ledger.release(account.pk, 600, key="c", cause=CAUSE),
            ]
        )
    assert balances(account) == books(9_000, held=1_000)
    assert not Transfer.objects.filter(key__in=["b", "c"]).exists()


@pytest.mark.django_db
def test_posting_nothing_does_nothing() -> None:
    assert ledger.post([]) == {}


@pytest.mark.parametrize("amount", [0, -1])
def test_a_movement_of_nothing_or_less_is_refused(account: Account, amount: int) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        ledger.hold(account, amount, key="a", cause=CAUSE)


# Twice is once


def test_the_same_key_twice_moves_once_and_answers_the_same(account: Account) -> None:
    first = ledger.hold(account, 4_000, key="a", cause=CAUSE)
    again = ledger.hold(account, 4_000, key="a", cause=CAUSE)
    assert again == first
    assert balances(account) == books(6_000, held=4_000)


def test_a_key_that_is_done_is_answered_even_when_the_credits_are_gone(account: Account) -> None:
    first = ledger.hold(account, 10_000, key="a", cause=CAUSE)
    assert ledger.hold(account, 10_000, key="a", cause=CAUSE) == first


def test_a_request_key_grants_once(account: Account) -> None:
    key = uuid.uuid4()
    assert factories.grant(account, 100, request_key=key) == factories.grant(account, 100, request_key=key)
    assert balances(account) == books(10_100)


@pytest.mark.parametrize(
    "other",
    [
        lambda mine, other: ledger.hold(mine, 4_001, key="a", cause=CAUSE),
        lambda mine, other: ledger.top_up(mine, 4_000, key="a", cause=CAUSE),
        lambda mine, other: ledger.hold(other, 4_000, key="a", cause=CAUSE),
    ],
    ids=["another amount", "another verb", "another account"],
)
def test_a_key_of_another_transfer_is_a_conflict(account: Account, other: Callable[[Account, Account], Any]) -> None:
    stranger = factories.account(millis=10_000)
    ledger.hold(account, 4_000, key="a", cause=CAUSE)
    with pytest.raises(KeyConflict):
        other(account, stranger)
    assert balances(account) == books(6_000, held=4_000)
    assert balances(stranger) == books(10_000)


# Nothing below zero


def test_too_large_a_hold_says_how_much_is_missing_and_changes_nothing(account: Account) -> None:
    with pytest.raises(NotEnoughCredit) as refused:
        ledger.hold(account, 10_001, key="a", cause=CAUSE)
    assert (refused.value.account_id, refused.value.missing) == (account.pk, 1)
    assert balances(account) == books(10_000)
    assert not Transfer.objects.filter(key="a").exists()


def test_a_correction_takes_no_more_than_there_is(account: Account) -> None:
    with pytest.raises(NotEnoughCredit):
        ledger.adjust(account, -10_001, key="a", cause=CAUSE, by=None, reason="Too much")
    assert balances(account) == books(10_000)


def test_no_more_is_captured_than_is_held(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(NotEnoughCredit):
        ledger.post([ledger.capture(account.pk, 1_001, key="b", cause=CAUSE)])
    assert balances(account) == books(9_000, held=1_000)


# What the database itself refuses


def refused(statement: str) -> None:
    """The database refuses the statement, and the ledger is as it was."""
    before = list(Transfer.objects.order_by("pk").values_list()), list(Book.objects.order_by("pk").values_list())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert before == (
        list(Transfer.objects.order_by("pk").values_list()),
        list(Book.objects.order_by("pk").values_list()),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_transfer SET amount = amount + 1",
        "UPDATE credits_transfer SET reason = 'better'",
        "DELETE FROM credits_transfer",
        copy_of_lines({}, with_id=True) + " ON CONFLICT (key) DO UPDATE SET amount = 1",
    ],
    ids=["update", "update of a word", "delete", "upsert"],
)
def test_a_ledger_line_is_never_changed(account: Account, statement: str) -> None:
    refused(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_book SET balance = -1 WHERE kind = 'available'",
        "DELETE FROM credits_book",
        "UPDATE credits_book SET kind = 'issued' WHERE kind = 'held'",
    ],
    ids=["negative balance", "delete", "a second issued"],
)
def test_a_book_keeps_its_rules(account: Account, statement: str) -> None:
    def execute() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            # A foreign key speaks at the end of the transaction.
            connection.check_constraints()

    with pytest.raises(IntegrityError):
        execute()


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", "0"), ("amount", "-5"), ("credit_id", "debit_id"), ("key", "key")],
    ids=["nothing", "less than nothing", "a book to itself", "a key twice"],
)
def test_a_wrong_line_is_never_added(account: Account, column: str, value: str) -> None:
    refused(copy_of_lines({"key": "'another'"} | {column: value}))


def test_the_ways_around_that_this_database_has_are_closed(account: Account) -> None:
    if connection.vendor == "sqlite":
        refused(copy_of_lines({"amount": "amount + 1"}, verb="INSERT OR REPLACE", with_id=True))
        refused("UPDATE OR REPLACE credits_transfer SET amount = amount + 1")
    else:
        refused("TRUNCATE credits_transfer CASCADE")
        refused("TRUNCATE credits_book CASCADE")


def test_what_closes_the_way_of_replace_on_sqlite_is_the_pragma_of_the_settings(account: Account) -> None:
    """The control of the test above; PostgreSQL has no such way and no such pragma."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            assert cursor.execute("PRAGMA recursive_triggers").fetchone() == (1,)
            cursor.execute("PRAGMA recursive_triggers = OFF")
            try:
                cursor.execute(copy_of_lines({"amount": "amount + 1"}, verb="INSERT OR REPLACE", with_id=True))
            finally:
                cursor.execute("PRAGMA recursive_triggers = ON")
        assert ledger.verify() != []


# Missing triggers


def drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (" ON credits_transfer" if connection.vendor == "postgresql" else ""))


def complaints() -> list[str]:
    return [str(found.msg) for found in run_checks(databases=["default"]) if found.id == "credits.E001"]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1])
def test_the_check_says_which_trigger_is_missing(number: int) -> None:
    name = sorted(triggers.NAMES[connection.vendor])[number]
    assert complaints() == []
    drop(name)
    [complaint] = complaints()
    assert name in complaint
    triggers.install(connection)
    assert complaints() == []


@pytest.mark.django_db
def test_a_disabled_trigger_is_missing_too() -> None:
    if connection.vendor == "postgresql":
        for how in ("DISABLE", "ENABLE REPLICA"):
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE credits_transfer {how} TRIGGER credits_transfer_no_change")
            assert triggers.missing(connection) == {"credits_transfer_no_change"}


def test_what_the_check_advises_makes_the_triggers_again(fresh_database: FreshDatabase) -> None:
    drop(min(triggers.NAMES[connection.vendor]))
    with pytest.raises(SystemCheckError, match="--skip-checks"):
        call_command("migrate", verbosity=0, skip_checks=False)
    call_command("migrate", verbosity=0, skip_checks=True)
    assert triggers.missing(connection) == set()


# The proof


def test_verify_finds_a_balance_that_no_transfer_explains(account: Account) -> None:
    Book.objects.filter(account=account, kind="available").update(balance=F("balance") + 7)
    [difference] = ledger.verify()
    assert (difference.book.account, difference.shown, difference.proven) == (account, 10_007, 10_000)


def test_the_command_proves_a_ledger_that_adds_up(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    factories.submission(account, to=3)
    call_command("verify_ledger")
    assert "adds up" in capsys.readouterr().out


def test_the_command_names_a_wrong_balance(account: Account) -> None:
    Book.objects.filter(account=account, kind="spent").update(balance=7)
    with pytest.raises(CommandError, match="spent: shows 7, its transfers give 0"):
        call_command("verify_ledger")


def test_the_command_names_a_hold_that_no_message_needs(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(CommandError, match="1000 held, its waiting messages need 0"):
        call_command("verify_ledger")


def test_the_command_sees_one_moment_while_others_send(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its two questions somebody submits; each question alone is right, both together must be."""
    account = factories.account()
    submitted: list[Any] = []
    submitting: list[threading.Thread] = []

    def holds_then_somebody_submits() -> dict[int, int]:
        found = outstanding_holds()
        other = threading.Thread(target=lambda: submitted.extend(at_once([lambda: factories.submission(account)])))
        other.start()
        submitting.append(other)
        # On SQLite the write transaction of the command makes the other one wait until it has ended.
        if connection.vendor == "postgresql":
            other.join(DEADLINE)
            assert submitted
        return found

    monkeypatch.setattr(verify_ledger, "outstanding_holds", holds_then_somebody_submits)
    call_command("verify_ledger")
    submitting[0].join(DEADLINE)
    assert not isinstance(submitted[0], Exception)
    assert balances(account)["held"] == 1_000


# Any sequence

AMOUNTS = st.integers(min_value=1, max_value=50)
STEPS = st.tuples(
    st.sampled_from(["top_up", "hold", "capture", "release", "take"]), AMOUNTS, st.integers(min_value=0, max_value=9)
)


@pytest.mark.django_db
@given(steps=st.lists(STEPS, max_size=25))
@settings(deadline=None, max_examples=40)
def test_any_sequence_keeps_the_sums(steps: list[tuple[str, int, int]]) -> None:
    """Beside a model of plain numbers: same balances, same refusals, whatever is asked, repeated or mixed up."""
    run = uuid.uuid4()
    account = factories.account(millis=0)
    model = books(0)
    issued = -Book.objects.get(account=None).balance
    done: dict[int, tuple[str, int]] = {}
    moves = {
        "top_up": ("issued", "available"),
        "hold": ("available", "held"),
        "capture": ("held", "spent"),
        "release": ("held", "available"),
        "take": ("available", "issued"),
    }
    for verb, amount, number in steps:
        key = f"{run}:{number}"
        source, target = moves[verb]
        expected: type[Exception] | None = None
        if number in done:
            expected = None if done[number] == (verb, amount) else KeyConflict
        elif source != "issued" and model[source] < amount:
            expected = NotEnoughCredit
        else:
            done[number] = (verb, amount)
            for book, change in ((source, -amount), (target, amount)):
                if book in model:
                    model[book] += change
        if expected is None:
            perform(account, verb, amount, key)
        else:
            with pytest.raises(expected):
                perform(account, verb, amount, key)
        assert balances(account) == model
    assert -Book.objects.get(account=None).balance == issued + sum(model.values())
    proven()


def perform(account: Account, verb: str, amount: int, key: str) -> None:
    if verb == "top_up":
        ledger.top_up(account, amount, key=key, cause=CAUSE)
    elif verb == "take":
        ledger.adjust(account, -amount, key=key, cause=CAUSE, by=None, reason="Correction")
    elif verb == "hold":
        ledger.hold(account, amount, key=key, cause=CAUSE)
    else:
        make = ledger.capture if verb == "capture" else ledger.release
        ledger.post([make(account.pk, amount, key=key, cause=CAUSE)])


# At once, on real connections

THREADS = 8


def submit_at_once(account: Account) -> list[Any]:
    """So many threads submit a message of one credit each, at the same time."""
    drafts = [factories.draft(account) for _number in range(THREADS)]
    return at_once([lambda draft=draft: submit(draft, now=factories.NOON) for draft in drafts])  # type: ignore[misc]


def test_of_many_at_once_exactly_those_succeed_that_the_balance_covers(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=THREADS // 2 * 1_000)
    results = submit_at_once(account)
    refusals = [result for result in results if isinstance(result, Exception)]
    assert [type(refusal) for refusal in refusals] == [NotEnoughCredit] * (THREADS // 2)
    assert balances(account) == books(0, held=THREADS // 2 * 1_000)
    assert account.submissions.count() == THREADS // 2
    assert_ledger_adds_up()


def test_without_the_lock_only_the_constraint_stands_between_the_race_and_a_negative_balance(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control. All read the balance before one of them writes, and each finds it enough for itself.

    SQLite takes no row locks: its write transactions (IMMEDIATE) come one after the other, so there the race
    cannot be made, and taking the lock away changes nothing.
    """
    account = factories.account(millis=THREADS // 2 * 1_000)
    all_have_read = threading.Barrier(THREADS)

    def unlocked(accounts: set[int], *, with_issued: bool) -> dict[tuple[int | None, str], Book]:
        found = list(Book.objects.filter(account_id__in=accounts))
        if connection.vendor == "postgresql":
            all_have_read.wait(DEADLINE)
        return {(book.account_id, book.kind): book for book in found}

    monkeypatch.setattr(ledger, "_locked_books", unlocked)
    refusals = [result for result in submit_at_once(account) if isinstance(result, Exception)]
    kind = IntegrityError if connection.vendor == "postgresql" else NotEnoughCredit
    assert [type(refusal) for refusal in refusals] == [kind] * (THREADS // 2)
    assert balances(account) == books(0, held=THREADS // 2 * 1_000)
    assert_ledger_adds_up()


def test_the_same_key_at_once_moves_once_and_answers_all(fresh_database: FreshDatabase) -> None:
    account = factories.account(millis=10_000)
    results = at_once([lambda: ledger.hold(account, 4_000, key="a", cause=CAUSE)] * THREADS)
    assert {result.pk for result in results} == {Transfer.objects.get(key="a").pk}
    assert balances(account) == books(6_000, held=4_000)


def test_posts_over_the_same_accounts_in_any_order_wait_and_do_not_deadlock(fresh_database: FreshDatabase) -> None:
    accounts = [factories.account(millis=100_000) for _number in range(4)]

    def post(number: int) -> None:
        order = accounts if number % 2 else accounts[::-1]
        for turn in range(5):
            ledger.post(
                [
                    ledger.Movement(
                        verb=Transfer.Verb.HOLD,
                        account=account.pk,
                        amount=10,
                        key=f"{number}:{turn}:{account.pk}",
                        cause=CAUSE,
                    )
                    for account in order
                ]
            )

    results = at_once([lambda number=number: post(number) for number in range(THREADS)])  # type: ignore[misc]
    assert results == [None] * THREADS
    assert [balances(account)["held"] for account in accounts] == [THREADS * 5 * 10] * 4
    proven()
