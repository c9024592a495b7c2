"""What the database itself refuses to do to the ledger, on either engine, and the check that it still does."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from compose.models import Message
from compose.services import cancel
from credits import ledger, orders, proof, triggers
from credits.models import Account, Book, Order, Owed, Transfer
from credits.triggers import Trigger
from tests import factories
from tests.events import about, arrive, sent
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway

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
    # What waits for the end of the transaction would be PostgreSQL's own reason to refuse a TRUNCATE.
    connection.check_constraints()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
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
        "UPDATE credits_book SET id = -id",
    ],
    ids=["negative balance", "delete", "a second issued", "another number"],
)
def test_a_book_keeps_its_rules(account: Account, statement: str) -> None:
    def execute() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            # A foreign key speaks at the end of the transaction.
            connection.check_constraints()

    with pytest.raises(IntegrityError):
        execute()


def test_a_book_that_no_line_names_is_not_deleted_or_given_away_either(account: Account) -> None:
    """No foreign key protects it, and with it an account's credits would be another's."""
    factories.account(name="Another", millis=0)
    books = Book.objects.filter(debits=None, credits=None).order_by("pk")
    away = "CASE account_id WHEN (SELECT MIN(id) FROM credits_account) THEN -1 ELSE -2 END"
    for statement in (
        f"DELETE FROM credits_book WHERE id = {books[0].pk}",  # noqa: S608
        f"UPDATE credits_book SET account_id = {away} WHERE id = {books[0].pk}",  # noqa: S608
        "UPDATE credits_book SET kind = 'spent' WHERE kind = 'held'",
    ):
        with (
            pytest.raises(IntegrityError, match="a book "),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE credits_book SET kind = kind, account_id = account_id, balance = balance")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_transfer SET amount = line.amount + 1 FROM credits_transfer AS line WHERE line.id > 0",
        "WITH l AS (SELECT id FROM credits_transfer) DELETE FROM credits_transfer WHERE id IN (SELECT id FROM l)",
        "UPDATE credits_transfer SET id = -id",
        "UPDATE credits_transfer SET created_at = created_at, by_id = NULL",
    ],
    ids=["update from", "with delete", "another number", "nobody did it"],
)
def test_a_ledger_line_is_not_changed_in_a_roundabout_way(account: Account, statement: str) -> None:
    refused(statement)


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
                assert "credits.E002" in {found.id for found in run_checks(databases=["default"])}
                cursor.execute(copy_of_lines({"amount": "amount + 1"}, verb="INSERT OR REPLACE", with_id=True))
            finally:
                cursor.execute("PRAGMA recursive_triggers = ON")
        assert proof.verify() != []
    assert "credits.E002" not in {found.id for found in run_checks(databases=["default"])}


# Messages, debts and orders point to their line once


@pytest.fixture
def another_line(account: Account) -> int:
    """A line that an end could be moved to."""
    return factories.grant(account, 1).pk


@pytest.fixture
def settled(account: Account) -> Message:
    """A message whose hold has ended."""
    message = factories.message(account)
    cancel(account, [message.pk], by=factories.owner(account), now=factories.NOON)
    message.refresh_from_db()
    return message


@pytest.fixture
def refunded(account: Account) -> Message:
    """A message whose price was given back after it was paid."""
    with scripted_gateway():
        message = sent(account)
        arrive(about(message, "rejected"))
    message.refresh_from_db()
    assert message.refunded_by is not None
    return message


@pytest.mark.parametrize(
    "changes",
    [
        "hold_ended_by_id = {line}",
        "hold_ended_by_id = NULL",
        "hold_ended_by_id = NULL, state = 'scheduled'",
        "state = 'sending', hold_ended_by_id = NULL, claim = NULL",
    ],
    ids=["another end", "no end", "held again", "on its way again"],
)
def test_a_hold_ends_once(settled: Message, another_line: int, changes: str) -> None:
    statement = f"UPDATE compose_message SET {changes.format(line=another_line)}"  # noqa: S608
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Message.objects.get().hold_ended_by_id == settled.hold_ended_by_id


@pytest.mark.parametrize("how", ["replaced", "deleted", "emptied"])
def test_a_message_whose_hold_has_ended_does_not_come_again_as_one_that_waits(settled: Message, how: str) -> None:
    """Put back as it was before, it would leave again, and no line would say that it was paid."""
    columns = [str(field.column) for field in Message._meta.concrete_fields]
    waits = {"state": "'scheduled'", "final_at": "NULL", "hold_ended_by_id": "NULL"}
    replacing = (
        f"INSERT OR REPLACE INTO compose_message ({', '.join(columns)}) "  # noqa: S608
        f"SELECT {', '.join(waits.get(column, column) for column in columns)} FROM compose_message"
    )
    statements = {"deleted": "DELETE FROM compose_message"}
    if connection.vendor == "sqlite":
        statements["replaced"] = replacing
    else:
        statements["emptied"] = "TRUNCATE compose_message CASCADE"
    connection.check_constraints()
    if how in statements:
        with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statements[how])
    assert Message.objects.get().hold_ended_by_id == settled.hold_ended_by_id


def test_a_message_whose_hold_has_ended_may_still_change_otherwise(settled: Message) -> None:
    """The control: it is the pointer that is refused."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compose_message SET reason = 'x', hold_ended_by_id = hold_ended_by_id")
    assert Message.objects.get().reason == "x"


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("refunded", "refunded_by_id = NULL"),
        ("refunded", "refunded_by_id = {line}"),
        ("settled", "refunded_by_id = {line}"),
    ],
    ids=["no refund", "another refund", "a refund of what was not refused"],
)
def test_a_message_is_refunded_once_and_only_when_the_operator_refused_it(
    request: pytest.FixtureRequest, another_line: int, message: str, changes: str
) -> None:
    before = request.getfixturevalue(message).refunded_by_id
    statement = f"UPDATE compose_message SET {changes.format(line=another_line)}"  # noqa: S608
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Message.objects.get().refunded_by_id == before


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM credits_owed",
        "UPDATE credits_owed SET amount = 1",
        "UPDATE credits_owed SET paid_by_id = NULL",
        "UPDATE credits_owed SET paid_by_id = {line}",
        "UPDATE credits_owed SET amount = 1 WHERE paid_by_id IS NULL",
        "UPDATE credits_owed SET key = 'x', paid_by_id = {line} WHERE paid_by_id IS NULL",
        "DELETE FROM credits_order",
        "UPDATE credits_order SET credited_by_id = {line}",
        "UPDATE credits_order SET credited_by_id = NULL, status = 'pending', decided_at = NULL",
    ],
)
def test_what_was_owed_or_ordered_is_neither_forgotten_nor_paid_again(
    account: Account, another_line: int, statement: str
) -> None:
    ledger.charge(account, 50_000, key="a", cause=("test", "1"))
    ledger.top_up(account, 60_000, key="b", cause=("test", "1"))
    ledger.charge(account, 50_000, key="c", cause=("test", "1"))
    orders.confirm(orders.place(account, 100, factories.owner(account)), None)
    ledger.charge(account, 500_000, key="d", cause=("test", "1"))
    before = list(Owed.objects.order_by("pk").values_list()), list(Order.objects.values_list())
    assert [row[-1] is None for row in before[0]] == [False, False, True]
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(line=another_line))
    assert before == (list(Owed.objects.order_by("pk").values_list()), list(Order.objects.values_list()))


def test_the_ways_around_for_debts_and_orders_are_closed_too(account: Account) -> None:
    ledger.charge(account, 50_000, key="a", cause=("test", "1"))
    orders.place(account, 100, factories.owner(account))
    connection.check_constraints()
    for table in ("credits_owed", "credits_order"):
        statement = (
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"  # noqa: S608
            if connection.vendor == "sqlite"
            else f"TRUNCATE {table} CASCADE"
        )
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


# Missing triggers


def drop(trigger: Trigger) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TRIGGER {trigger.name}" + (f" ON {trigger.table}" if connection.vendor == "postgresql" else "")
        )


def complaints() -> list[str]:
    return [str(found.msg) for found in run_checks(databases=["default"]) if found.id == "credits.E001"]


@pytest.mark.django_db
def test_the_check_says_which_trigger_is_missing() -> None:
    wanted = triggers.wanted(connection)
    assert {trigger.table for trigger in wanted} == {
        "credits_book",
        "credits_transfer",
        "credits_owed",
        "credits_order",
        "compose_message",
    }
    for trigger in wanted:
        assert complaints() == []
        drop(trigger)
        [complaint] = complaints()
        assert trigger.name in complaint
        triggers.install(connection)
    assert complaints() == []


@pytest.mark.django_db
def test_a_disabled_trigger_is_missing_too() -> None:
    if connection.vendor == "postgresql":
        for how in ("DISABLE", "ENABLE REPLICA"):
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE credits_transfer {how} TRIGGER credits_transfer_no_update")
            assert triggers.missing(connection) == {"credits_transfer_no_update"}


@pytest.mark.django_db
def test_a_trigger_that_lets_through_what_it_should_refuse_is_missing_too() -> None:
    """Under its own name, so that who looks for names finds it."""
    name = "credits_transfer_no_update"
    empty = {
        "sqlite": [
            f"DROP TRIGGER {name}",
            f"CREATE TRIGGER {name} BEFORE UPDATE ON credits_transfer BEGIN SELECT 1; END",
        ],
        "postgresql": [
            "CREATE FUNCTION agree() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            f"CREATE OR REPLACE TRIGGER {name} BEFORE UPDATE ON credits_transfer FOR EACH ROW EXECUTE FUNCTION agree()",
        ],
    }[connection.vendor]
    with connection.cursor() as cursor:
        for statement in empty:
            cursor.execute(statement)
    assert triggers.missing(connection) == {name}
    triggers.install(connection)
    assert triggers.missing(connection) == set()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE OR REPLACE TRIGGER {name} BEFORE UPDATE ON credits_transfer FOR EACH ROW "
                "WHEN (OLD.amount < 0) EXECUTE FUNCTION credits_refuse('never')"
            )
            assert triggers.missing(connection) == {name}
            cursor.execute(
                "CREATE OR REPLACE FUNCTION credits_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RETURN COALESCE(NEW, OLD); END $$"
            )
        assert triggers.missing(connection) == {one.name for one in triggers.wanted(connection)}


@pytest.mark.django_db
def test_the_triggers_of_an_earlier_version_go_when_the_new_ones_come() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION credits_transfer_refuse() RETURNS trigger LANGUAGE plpgsql "
                "AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
            )
            for name, event, each in (("change", "UPDATE OR DELETE", "ROW"), ("truncate", "TRUNCATE", "STATEMENT")):
                cursor.execute(
                    f"CREATE OR REPLACE TRIGGER credits_transfer_no_{name} BEFORE {event} ON credits_transfer "
                    f"FOR EACH {each} EXECUTE FUNCTION credits_transfer_refuse()"
                )
            triggers.install(connection)
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname = 'credits_transfer_no_change'")
            assert cursor.fetchall() == []
            cursor.execute("SELECT 1 FROM pg_proc WHERE proname = 'credits_transfer_refuse'")
            assert cursor.fetchall() == []
    assert triggers.missing(connection) == set()


def test_what_the_check_advises_makes_the_triggers_again(fresh_database: FreshDatabase) -> None:
    drop(triggers.wanted(connection)[0])
    with pytest.raises(SystemCheckError, match="--skip-checks"):
        call_command("migrate", verbosity=0, skip_checks=False)
    call_command("migrate", verbosity=0, skip_checks=True)
    assert triggers.missing(connection) == set()


def test_the_database_of_an_older_version_is_migrated_without_skipping_checks(fresh_database: FreshDatabase) -> None:
    """It lacks triggers that the newer version wants; an error would stop the very command that makes them."""
    for trigger in triggers.wanted(connection):
        drop(trigger)
    MigrationRecorder(connection).record_unapplied("auth", "0012_alter_user_first_name_max_length")
    assert complaints() == []
    warned = [found.hint for found in run_checks(databases=["default"]) if found.id == "credits.W001"]
    assert len(warned) == len(triggers.wanted(connection))
    assert not any("--skip-checks" in str(hint) for hint in warned)
    call_command("migrate", verbosity=0, skip_checks=False)
    assert triggers.missing(connection) == set()


@pytest.mark.parametrize(("app", "migration", "newest"), [("compose", "0012_moves", "compose_message_state_moves")])
def test_a_trigger_that_is_new_comes_with_a_migration_so_that_an_upgrade_makes_it(
    fresh_database: FreshDatabase, app: str, migration: str, newest: str
) -> None:
    (trigger,) = [one for one in triggers.wanted(connection) if one.name == newest]
    drop(trigger)
    MigrationRecorder(connection).record_unapplied(app, migration)
    call_command("migrate", verbosity=0, skip_checks=False)
    assert triggers.missing(connection) == set()


@pytest.mark.parametrize("model", [Transfer, Message], ids=lambda model: model.__name__)
def test_a_migration_that_rebuilds_the_table_has_its_triggers_back_when_it_ends(
    fresh_database: FreshDatabase, model: Any
) -> None:
    """On SQLite a change of a column makes the table anew, without them; PostgreSQL keeps them."""
    field = model._meta.get_field("key" if model is Transfer else "gateway")
    longer = models.CharField(max_length=field.max_length + 1, unique=field.unique, blank=True)
    longer.set_attributes_from_name(field.name)
    longer.model = model
    with connection.schema_editor() as editor:
        editor.alter_field(model, field, longer)
    gone = {trigger.name for trigger in triggers.wanted(connection) if trigger.table == model._meta.db_table}
    assert triggers.missing(connection) == (gone if connection.vendor == "sqlite" else set())
    call_command("migrate", verbosity=0, skip_checks=True)
    assert triggers.missing(connection) == set()
