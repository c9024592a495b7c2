"""After a back-up was restored: no table gives a key that it may have given before."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.test import Client
from django.urls import reverse

from compose.models import Message
from credits import ledger, orders
from credits.models import Account, Letter, Order, Transfer
from senders.models import ShortNumber
from smsmanager import new_keys
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, balances


@pytest.fixture(autouse=True)
def kept(counters: None) -> None:
    """Other tests go on with the keys of before."""


@pytest.fixture
def account() -> Account:
    return factories.account()


def next_key(table: str) -> int:
    """The next key of the table, or one that is given away by asking."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [table])
        else:
            cursor.execute("SELECT COUNT(*), MAX(seq) + 1 FROM sqlite_sequence WHERE name = %s", [table])
            count, key = cursor.fetchone()
            assert count == 1, table
            return int(key)
        return int(cursor.fetchone()[0])


def test_each_table_of_ours_goes_on_far_ahead_and_those_without_a_row_too(account: Account) -> None:
    factories.message(account)
    ours = ("smsmanager", "inbox", "compose", "senders", "credits")
    counted = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in ours and isinstance(model._meta.pk, models.AutoField | models.BigAutoField)
        if model._meta.db_table != "django_admin_log"
    }
    before = {table: next_key(table) if connection.vendor == "postgresql" else 0 for table in counted}
    assert new_keys.move_on() == len(counted)
    assert {table: next_key(table) > before[table] + new_keys.AHEAD for table in counted} == dict.fromkeys(
        counted, True
    )


def test_a_counter_behind_its_table_goes_on_from_the_table(account: Account) -> None:
    """As after rows were copied in with their keys."""
    ShortNumber.objects.create(pk=5 * new_keys.AHEAD, number="38999")
    new_keys.move_on()
    assert next_key("senders_shortnumber") == 6 * new_keys.AHEAD + 1


def test_moving_them_again_only_moves_them_further(account: Account) -> None:
    new_keys.move_on()
    first = next_key("compose_message")
    new_keys.move_on()
    assert 0 <= next_key("compose_message") - first - new_keys.AHEAD <= 2
    assert factories.message(account).pk > 2 * new_keys.AHEAD


def test_all_that_is_written_afterwards_goes_on_with_the_new_keys(account: Account) -> None:
    """The ledger numbers its lines by itself, and messages are stored many at once."""
    old = set(Transfer.objects.values_list("pk", flat=True))
    new_keys.move_on()
    made = factories.submission(account, to=3)
    ledger.charge(account, 5, key="later", cause=("received", "1"))
    written = Transfer.objects.exclude(pk__in=old).values_list("pk", flat=True)
    assert len(written) == 2
    assert all(key > new_keys.AHEAD for key in [made.pk, *written, *Message.objects.values_list("pk", flat=True)])
    assert_ledger_adds_up()


def test_a_payment_of_an_order_that_is_lost_credits_no_other(account: Account, shop: None, client: Client) -> None:
    lost = orders.place(account, 100, factories.owner(account)).pk + 1
    call_command("after_restore", verbosity=0)
    before = balances(account)
    new = orders.place(account, 100, factories.owner(account))
    said = {"word": "open", "orders": [lost]}
    client.post(reverse("payments"), said, content_type="application/json")
    assert balances(account) == before
    assert Order.objects.get(pk=new.pk).is_pending
    client.post(reverse("payments"), said | {"orders": [new.pk]}, content_type="application/json")
    assert Order.objects.get(pk=new.pk).status == Order.Status.CONFIRMED


def test_a_letter_that_waits_is_still_sent(account: Account) -> None:
    """One that comes twice harms nobody."""
    Letter.objects.all().delete()
    Letter.objects.create(key="a", to="a@example.org", subject="a", body="a", look_at=NOON)
    call_command("after_restore", verbosity=0)
    assert Letter.objects.get().sent_at is None


def test_the_command_says_that_keys_go_on_further(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("after_restore")
    said = f"The keys of {len(new_keys.tables())} tables go on {new_keys.AHEAD} further"
    assert said in capsys.readouterr().out
