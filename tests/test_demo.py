"""The demonstration: there once, whole, with a ledger that adds up, and never in production."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError

from compose.models import Message
from compose.optouts import listed, opted_out
from compose.queries import scheduled
from credits import statement
from credits.models import Account, Member, Transfer
from credits.queries import available
from inbox.queries import received, unread_count
from inbox.threads import thread
from senders.models import Sender
from senders.queries import offered
from smsmanager import demo
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up
from tests.gateways_for_tests import scripted_gateway

pytestmark = pytest.mark.django_db

User = get_user_model()


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
        datetime(2026, 12, 24, 20, tzinfo=UTC),
        datetime(2027, 3, 27, 23, 59, tzinfo=UTC),
        datetime(2027, 10, 30, 22, 30, tzinfo=UTC),
        datetime(2028, 2, 28, 23, 30, tzinfo=UTC),
    ],
    ids=["noon", "sunday night", "christmas eve", "before summer time", "before winter time", "leap day"],
)
def test_the_demonstration_loads_at_any_time_and_its_ledger_adds_up(moment: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        assert demo.load()
    assert Account.objects.count() == 2
    assert_ledger_adds_up()
    call_command("verify_ledger", verbosity=0)


def test_a_second_time_nothing_is_loaded() -> None:
    assert demo.load()
    before = [model.objects.count() for model in (User, Account, Sender, Message, Transfer)]
    assert not demo.load()
    assert before == [model.objects.count() for model in (User, Account, Sender, Message, Transfer)]


def test_nothing_is_loaded_over_data_that_is_there() -> None:
    factories.account()
    assert not demo.load()
    assert Account.objects.count() == 1
    assert not demo.present()
    assert demo.sign_in_lines() == []


def test_nothing_of_the_demonstration_leaves_when_it_is_loaded() -> None:
    with scripted_gateway() as gateway:
        demo.load()
    assert gateway.chunks == []


def test_there_are_senders_in_every_status_and_accounts_with_different_owners() -> None:
    demo.load()
    assert set(Sender.objects.values_list("status", flat=True)) == set(Sender.Status.values)
    owners = Member.objects.filter(role=Member.Role.OWNER)
    assert owners.values("user").distinct().count() == 2
    assert set(Member.objects.values_list("role", flat=True)) == set(Member.Role.values)


def test_everyone_who_is_named_can_sign_in_and_the_password_is_said() -> None:
    demo.load()
    lines = demo.sign_in_lines()
    for name in demo.PEOPLE:
        assert authenticate(username=name, password=demo.PASSWORD) is not None
        assert any(line.startswith(name) for line in lines)
    assert demo.PASSWORD in lines[-1]
    for user in User.objects.all():
        user.set_password("another one")
        user.save()
    assert not demo.present()


def test_there_is_a_history_a_conversation_and_something_planned() -> None:
    with time_machine.travel(NOON, tick=False):
        demo.load()
        bakery = Account.objects.get(name="Boulangerie Martin")
        owner = Member.objects.get(account=bakery, user=factories.owner(bakery))
        assert set(Message.objects.values_list("state", flat=True)) == {"delivered", "undelivered", "scheduled"}
        assert scheduled(bakery, now=NOON).count() == 4
        [answer] = received(owner)
        assert answer.answers is not None
        assert unread_count(owner) == 1
        lines = thread(bakery, answer.number).lines
        assert [line.outgoing for line in lines[:2]] == [True, False]
        assert offered(bakery)[0].is_pool


def test_the_stop_list_shows_both_ways_onto_it_and_keeps_nobody_from_the_planned_messages() -> None:
    with time_machine.travel(NOON, tick=False):
        demo.load()
    bakery = Account.objects.get(name="Boulangerie Martin")
    assert set(listed(bakery).values_list("source", flat=True)) == {"manual", "import"}
    assert opted_out(bakery.pk, Message.objects.values_list("recipient", flat=True)) == set()


def test_the_statement_of_the_demonstration_ends_with_what_is_available() -> None:
    demo.load()
    for account in Account.objects.all():
        books = statement.books(account)
        lines, older = statement.lines(books, statement.Wanted(), start=books.now)
        assert not older
        assert lines[0].after == available(account)
        assert lines[-1].after == lines[-1].amount
        assert sum(line.amount for line in lines) == available(account)


def test_a_production_installation_refuses_the_demonstration(settings: Any) -> None:
    settings.EMBEDDED = False
    assert not demo.allowed()
    with pytest.raises(CommandError, match="production"):
        call_command("load_demo")
    assert not User.objects.exists()


def test_the_command_says_who_can_sign_in_and_the_second_time_that_nothing_was_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("load_demo")
    assert demo.PASSWORD in capsys.readouterr().out
    call_command("load_demo")
    assert "nothing was loaded" in capsys.readouterr().out
