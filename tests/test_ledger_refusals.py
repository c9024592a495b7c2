"""What the database itself refuses to do to the ledger, on either engine, and the check that it still does."""

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, IntegrityError, connection, transaction

from credits import ledger, triggers
from credits.models import Account, Book, Transfer
from tests import factories
from tests.fixtures.databases import FreshDatabase

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
