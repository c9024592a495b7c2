"""The proof of the ledger: `verify` and `manage.py verify_ledger`."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import F

from compose import proof as holds
from compose.models import Message
from compose.services import cancel
from credits import ledger, orders, proof, triggers
from credits.models import Account, Book, Finding, Letter
from credits.proof import Difference
from smsmanager.proof import prove
from smsmanager.tasks import verify_ledger
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import about, arrive
from tests.factories import at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.threads import at_once

CAUSE = ("test", "1")


@pytest.fixture
def account(db: None) -> Account:
    """An account with 10 credits."""
    return factories.account(millis=10_000)


def test_verify_finds_a_balance_that_no_transfer_explains(account: Account) -> None:
    Book.objects.filter(account=account, kind="available").update(balance=F("balance") + 7)
    [difference] = proof.verify()
    book = Book.objects.get(account=account, kind="available")
    assert difference.key == f"book:{book.pk}:-7"
    assert "Boulangerie Martin" in difference.sentence
    assert "shows 10007, its transfers give 10000" in difference.sentence


def test_the_command_proves_a_ledger_that_adds_up(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    factories.submission(account, to=3)
    call_command("verify_ledger")
    assert "adds up" in capsys.readouterr().out


def test_the_command_names_a_wrong_balance(account: Account) -> None:
    Book.objects.filter(account=account, kind="spent").update(balance=7)
    with pytest.raises(CommandError, match=r"Boulangerie Martin .*: shows 7, its transfers give 0"):
        call_command("verify_ledger")


def test_the_command_names_a_hold_that_no_message_needs(account: Account) -> None:
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    with pytest.raises(CommandError, match="1000 held, its waiting messages need 0"):
        call_command("verify_ledger")


def test_the_command_sees_one_moment_while_others_send(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its two questions somebody submits, waiting for nobody; each alone is right, both together must be."""
    account = factories.account()
    submitted: list[Any] = []
    verify = holds.verify

    def somebody_submits_first() -> list[Difference]:
        submitted.extend(at_once([lambda: factories.submission(account)]))
        return verify()

    monkeypatch.setattr(holds, "verify", somebody_submits_first)
    call_command("verify_ledger")
    assert not isinstance(submitted[0], Exception)
    assert balances(account)["held"] == 1_000


def test_without_one_moment_lines_and_messages_would_be_of_two(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: somebody submits between two questions, and the one about balances would see it."""
    account = factories.account()
    seen: list[int] = []

    def between_the_questions(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        if sql == proof.BALANCES:
            seen.append(Book.objects.get(account=account, kind="held").balance)
            at_once([lambda: factories.submission(account)])
            seen.append(Book.objects.get(account=account, kind="held").balance)
        return found

    with connection.execute_wrapper(between_the_questions):
        assert prove() == []
    monkeypatch.setattr(proof, "one_moment", nullcontext)
    with connection.execute_wrapper(between_the_questions):
        assert prove() == []
    assert seen == [0, 0, 1_000, 2_000]


# What only rows changed by force can be, past triggers and services


def forced(statement: str) -> None:
    """Change rows as nobody can, without the triggers; the transaction of the test brings all of it back."""
    with connection.cursor() as cursor:
        for trigger in triggers.wanted(connection):
            on = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {trigger.name}{on}")
        for one in statement.split("; "):
            cursor.execute(one)


@pytest.fixture
def busy(db: None) -> Account:
    return busy_account()


def busy_account() -> Account:
    """An account with messages that wait, were sent and were given back, a refund, an order, and a paid debt."""
    account = factories.account(millis=10_000)
    with scripted_gateway():
        for _number in range(2):
            factories.submission(account, to=2)
        dispatch_due(clock=at(factories.NOON))
    waiting = factories.submission(account, to=2)
    cancel(account, [waiting.messages.order_by("pk")[0].pk], by=factories.owner(account), now=factories.NOON)
    arrive(about(Message.objects.filter(state="accepted").order_by("pk")[0], "rejected"))
    ledger.charge(account, 500_000, key="charge:1", cause=CAUSE)
    ledger.top_up(account, 500_000, key="top", cause=CAUSE)
    orders.confirm(orders.place(account, 100, factories.owner(account)), None)
    assert prove() == []
    factories.account(name="Another", millis=0)
    return account


WRONG = {
    "a smaller hold": ("UPDATE credits_transfer SET amount = amount - 1 WHERE verb = 'hold'", "hold:"),
    "a capture of more": ("UPDATE credits_transfer SET amount = amount + 1 WHERE verb = 'capture'", "pointers:"),
    "a release of another submission": (
        "UPDATE credits_transfer SET cause_key = '999' WHERE verb = 'release'",
        "pointer:",
    ),
    "a message that waits no more": ("UPDATE compose_message SET price = price + 5 WHERE state = 'scheduled'", "hold:"),
    "a message of another account": (
        "UPDATE compose_message SET account_id = (SELECT MAX(id) FROM credits_account)",
        "pointer:",
    ),
    "a message and its submission of another account": (
        (
            "UPDATE compose_submission SET account_id = (SELECT MAX(id) FROM credits_account); "
            "UPDATE compose_message SET account_id = (SELECT MAX(id) FROM credits_account) "
            "WHERE hold_ended_by_id IS NOT NULL"
        ),
        "pointer:",
    ),
    "a paid message that points to a release": (
        (
            "UPDATE compose_message SET hold_ended_by_id = "
            "(SELECT MAX(id) FROM credits_transfer WHERE verb = 'release') WHERE state = 'accepted'"
        ),
        "pointer:",
    ),
    "a refund of more": ("UPDATE credits_transfer SET amount = amount + 1 WHERE verb = 'refund'", "refund:"),
    "a refund of nothing": (
        "UPDATE credits_transfer SET cause_key = '999', key = 'refund:999' WHERE verb = 'refund'",
        "refund:",
    ),
    "a refund that its message forgot": ("UPDATE compose_message SET refunded_by_id = NULL", "refund:"),
    "a message that calls another line its refund": (
        (
            "UPDATE compose_message SET refunded_by_id = (SELECT MIN(id) FROM credits_transfer WHERE verb = 'hold') "
            "WHERE refunded_by_id IS NOT NULL"
        ),
        "refunded:",
    ),
    "a verb on a way that is not its own": (
        "UPDATE credits_transfer SET verb = 'hold' WHERE verb = 'charge'",
        "route:",
    ),
    "a verb that there is not": ("UPDATE credits_transfer SET verb = 'gift' WHERE verb = 'charge'", "route:gift"),
    "an order of more": ("UPDATE credits_order SET credits = 200", "order:"),
    "an order that is forgotten": ("DELETE FROM credits_order", "line:order:"),
    "a debt of more": ("UPDATE credits_owed SET amount = amount + 1", "owed:"),
    "a debt that is paid again": ("UPDATE credits_owed SET paid_by_id = NULL", "owed:"),
    "a line less": ("DELETE FROM credits_transfer WHERE verb = 'hold'", "book:"),
    "a submission of more": ("UPDATE compose_submission SET price = price + 5", "price:"),
    "another rate": ("UPDATE compose_message SET rate = rate + 5", "price:"),
    "prices of two messages of one line": (
        (
            "UPDATE compose_message SET price = price + CASE WHEN id IN (SELECT MIN(id) FROM compose_message "
            "GROUP BY hold_ended_by_id) THEN 5 ELSE -5 END WHERE hold_ended_by_id IN "
            "(SELECT hold_ended_by_id FROM compose_message GROUP BY 1 HAVING COUNT(*) = 2)"
        ),
        "price:",
    ),
}


@pytest.mark.parametrize(("statement", "key"), WRONG.values(), ids=WRONG)
def test_the_proof_finds_what_was_changed_by_force(busy: Account, statement: str, key: str) -> None:
    forced(statement)
    found = prove()
    assert any(one.key.startswith(key) for one in found), found
    with pytest.raises(CommandError, match="does not add up"):
        call_command("verify_ledger")


@contextmanager
def no_rules() -> Iterator[CursorWrapper]:
    """A cursor for which neither triggers nor checks nor foreign keys stand, as whoever owns the tables can have."""
    connection.check_constraints()
    tables = ("credits_transfer", "credits_book", "credits_owed", "credits_order", "compose_message")
    with connection.cursor() as cursor:
        for trigger in triggers.wanted(connection):
            on = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {trigger.name}{on}")
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint "
                "WHERE contype IN ('c', 'f') AND conrelid::regclass::text = ANY (%s)",
                [list(tables)],
            )
            for table, name in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        try:
            yield cursor
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
    # What stays is a database in which everything stands again, and nobody was ever refused.
    triggers.install(connection)


def forged(verb: str, debit: str, credit: str, amount: int) -> list[str]:
    """A line from one kind of book of the first account to another, and the balances that go with it."""
    giver, taker = [f"(SELECT MIN(id) FROM credits_book WHERE kind = '{kind}')" for kind in (debit, credit)]  # noqa: S608
    line = (
        "INSERT INTO credits_transfer (verb, debit_id, credit_id, amount, key, cause_kind, cause_key, reason, "  # noqa: S608
        f"created_at) SELECT '{verb}', COALESCE({giver}, 999999), {taker}, {amount}, 'x', 'test', '1', '', "
        "created_at FROM (SELECT MAX(created_at) AS created_at FROM credits_transfer) AS line"
    )
    return [
        line,
        f"UPDATE credits_book SET balance = balance - ({amount}) WHERE id = {giver}",  # noqa: S608
        f"UPDATE credits_book SET balance = balance + ({amount}) WHERE id = {taker}",  # noqa: S608
    ]


RULELESS = {
    "a book below zero": (forged("charge", "available", "spent", 2_000_000), "below:"),
    "credits out of no book": (forged("top_up", "nothing", "available", 5_000), "book:999999"),
    "less than nothing": (forged("top_up", "issued", "available", -5_000), "amount:top_up"),
    "a book of a kind that there is not": (["UPDATE credits_book SET kind = 'gift' WHERE kind = 'spent'"], "route:"),
    "a debt paid by no line": (["UPDATE credits_owed SET paid_by_id = 999999"], "owed:"),
    "an order credited by no line": (["UPDATE credits_order SET credited_by_id = 999999"], "order:"),
    "an order credited and cancelled": (["UPDATE credits_order SET status = 'cancelled'"], "order:"),
    "a refund by no line": (
        ["UPDATE compose_message SET refunded_by_id = 999999 WHERE refunded_by_id IS NOT NULL"],
        "refunded:",
    ),
    "an end by no line": (
        ["UPDATE compose_message SET hold_ended_by_id = 999999 WHERE state = 'failed' OR state = 'accepted'"],
        "pointers:999999",
    ),
}


@pytest.mark.parametrize(("statements", "key"), RULELESS.values(), ids=RULELESS)
def test_the_proof_finds_what_no_rule_of_the_database_refused(
    fresh_database: FreshDatabase, statements: list[str], key: str
) -> None:
    """All rules are taken away, the books are forged so that they add up, and the triggers are put back."""
    busy_account()
    if connection.vendor == "sqlite":
        # Not inside a transaction, where SQLite does not listen.
        connection.cursor().execute("PRAGMA foreign_keys = OFF")
    with no_rules() as cursor:
        for statement in statements:
            cursor.execute(statement)
    found = prove()
    assert any(one.key.startswith(key) for one in found), found
    with pytest.raises(CommandError, match="does not add up"):
        call_command("verify_ledger")


def test_the_proof_finds_a_trigger_that_is_missing(account: Account) -> None:
    trigger = triggers.wanted(connection)[0]
    with connection.cursor() as cursor:
        on = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {trigger.name}{on}")
    [difference] = prove()
    assert trigger.name in difference.sentence
    triggers.install(connection)
    assert prove() == []


# The task that proves it


@pytest.fixture
def administrator(account: Account) -> User:
    return factories.user("root", superuser=True)


def letters() -> list[tuple[str, str]]:
    return list(Letter.objects.order_by("pk").values_list("to", "body"))


def test_the_administrators_are_told_once_of_what_is_found(account: Account, administrator: User) -> None:
    assert verify_ledger() == 0
    assert letters() == []
    Book.objects.filter(account=account, kind="available").update(balance=F("balance") + 7)
    assert [verify_ledger(), verify_ledger()] == [1, 0]
    [(to, body)] = letters()
    assert to == administrator.email
    assert "10007" in body
    # The balance moves on, the difference is the same one.
    ledger.hold(account, 1_000, key="a", cause=CAUSE)
    factories.grant(account, 5)
    assert verify_ledger() == 1
    assert "hold:" in Finding.objects.order_by("pk")[1].key
    assert len(letters()) == 2


def test_what_was_put_right_and_breaks_again_is_told_again(account: Account, administrator: User) -> None:
    book = Book.objects.filter(account=account, kind="available")
    for _time in range(2):
        book.update(balance=F("balance") + 7)
        assert verify_ledger() == 1
        book.update(balance=F("balance") - 7)
        assert verify_ledger() == 0
    assert len(letters()) == 2
    assert Finding.objects.filter(gone_at=None).count() == 0


def test_the_named_administrators_are_told_instead_of_superusers(
    account: Account, administrator: User, settings: Any
) -> None:
    settings.ADMINS = [("a", "ops@example.org"), ("b", "cash@example.org")]
    Book.objects.filter(account=account, kind="spent").update(balance=7)
    verify_ledger()
    assert sorted(to for to, _body in letters()) == ["cash@example.org", "ops@example.org"]
