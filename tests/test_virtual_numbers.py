"""Virtual numbers: one account at a time has one, its senders follow, and what leaves from it is counted."""

import importlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compose import carried
from compose.gateways.base import NotSent
from compose.models import Message
from credits.models import Account
from inbox.models import Received
from senders import queries, services, virtual
from senders.models import Lease, Sender, SenderChange, ShortNumber, VirtualNumber
from smsmanager.gateway_checks import numbers_name_gateways
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import answer, arrive, sent
from tests.factories import NOON, assert_message, at, mobile
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, answering, scripted_gateway, scripted_gateways
from tests.pages import browser_of, read, sentence
from tests.threads import at_once, until_waiting

NUMBER = "+33937000001"
SHORT, VIRTUAL = "/administration/senders/shortnumber/", "/administration/senders/virtualnumber/"
SENDERS = "/administration/senders/sender/"
State, Status = Message.State, Sender.Status


@pytest.fixture(autouse=True)
def noon(request: pytest.FixtureRequest) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway."""
    with scripted_gateway() as made:
        yield made


@pytest.fixture
def admin(db: None) -> Client:
    return browser_of(factories.user("root", superuser=True))


def asked(of: Account, *, status: str = Status.ENABLED) -> Sender:
    """The number as a sender of the account."""
    return factories.sender(of, NUMBER, kind=Sender.Kind.VIRTUAL, status=status)


def number(**fields: Any) -> VirtualNumber:
    """The number as the administrator wrote it down."""
    made, _new = VirtualNumber.objects.update_or_create(number=NUMBER, defaults=fields)
    return made


def give(admin: Client, to: Account | None, **changes: str) -> Any:
    """Save the number's page with this account in it."""
    there = VirtualNumber.objects.filter(number=NUMBER).first()
    fields = {"country": "FR", "gateway": "", "capacity": "", "enabled": "on", "note": ""}
    fields |= {"account": str(to.pk) if to else "", "number": NUMBER} | changes
    address = f"{VIRTUAL}{there.pk}/change/" if there else f"{VIRTUAL}add/"
    return admin.post(address, fields, follow=True)


def verbs(of: Sender) -> list[str]:
    return list(SenderChange.objects.filter(sender=of).values_list("verb", flat=True))


# Whose a number is


def test_approving_a_virtual_number_gives_it_to_the_account(account: Account) -> None:
    asked(account, status=Status.WAITING)
    assert not VirtualNumber.objects.exists()
    services.approve(Sender.objects.get(value=NUMBER), by=factories.owner(account))
    made = VirtualNumber.objects.get()
    assert (made.number, made.account, made.country, made.enabled) == (NUMBER, account, "FR", True)
    assert queries.owner_of_virtual(NUMBER) == account.pk


def test_a_number_of_another_country_is_of_that_country(account: Account) -> None:
    factories.sender(account, "+32470123456", kind=Sender.Kind.VIRTUAL)
    assert VirtualNumber.objects.get().country == "BE"


@pytest.mark.parametrize("status", [Status.ENABLED, Status.DISABLED])
def test_a_number_of_one_account_is_approved_for_no_other_and_the_page_says_why(
    account: Account, admin: Client, status: str
) -> None:
    asked(account, status=status)
    waits = asked(factories.account(), status=Status.WAITING)
    page = read(admin.post(SENDERS, {"action": "approve", "_selected_action": [waits.pk]}, follow=True))
    assert f"{NUMBER} was left as it is. {NUMBER} belongs to another SMS account." in sentence(page)
    waits.refresh_from_db()
    assert (waits.status, verbs(waits)) == (Status.WAITING, ["requested"])
    assert queries.owner_of_virtual(NUMBER) == account.pk


def test_a_number_that_is_disabled_is_approved_for_nobody(account: Account) -> None:
    number(enabled=False)
    waits = asked(account, status=Status.WAITING)
    with pytest.raises(virtual.NumberNotFree, match="disabled among the virtual numbers"):
        services.approve(waits, by=None)
    waits.refresh_from_db()
    assert (waits.status, VirtualNumber.objects.get().account) == (Status.WAITING, None)


def test_the_database_itself_lets_no_two_accounts_have_one_number(account: Account) -> None:
    asked(account)
    other = asked(factories.account(), status=Status.WAITING)
    with pytest.raises(IntegrityError), transaction.atomic():
        Sender.objects.filter(pk=other.pk).update(status=Status.ENABLED)
    with pytest.raises(IntegrityError), transaction.atomic():
        VirtualNumber.objects.create(number=NUMBER, account=other.account)


def test_of_two_approvals_at_once_one_gets_the_number(fresh_database: FreshDatabase) -> None:
    waiting = [asked(factories.account(), status=Status.WAITING) for _each in range(2)]
    ready = threading.Barrier(2)

    def approve(sender: Sender) -> None:
        ready.wait(60)
        services.approve(sender, by=None)

    results = at_once([lambda: approve(waiting[0]), lambda: approve(waiting[1])])
    assert [type(one) for one in results if one is not None] == [virtual.NumberNotFree]
    enabled = Sender.objects.get(value=NUMBER, status=Status.ENABLED)
    assert VirtualNumber.objects.get().account_id == enabled.account_id


def test_a_sender_that_its_owner_deletes_leaves_the_number_free(account: Account) -> None:
    services.delete(asked(account), by=factories.owner(account))
    assert queries.owner_of_virtual(NUMBER) is None
    other = factories.account()
    asked(other)
    assert queries.owner_of_virtual(NUMBER) == other.pk


def test_deleting_says_that_the_number_goes_and_that_what_is_scheduled_from_it_does_not_leave(
    account: Account, gateway: ScriptedGateway
) -> None:
    made, browser = asked(account), browser_of(factories.owner(account))
    message = factories.message(account, by=made)
    assert "what is scheduled from it will not be sent" in sentence(read(browser.get("/senders/")))
    page = read(browser.post(f"/senders/{made.pk}/delete/", follow=True))
    assert "What is scheduled from it will not be sent and costs nothing." in page.one(role="status").text
    dispatch_due(clock=at(NOON))
    assert_message(message, State.FAILED, reason="number_gone")
    assert factories.balances(account) == factories.FULL


def test_a_number_that_is_taken_away_while_its_owner_enables_it_is_not_enabled(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    made = asked(account, status=Status.DISABLED)
    taken = threading.Event()

    def take() -> None:
        with transaction.atomic():
            there = VirtualNumber.objects.get()
            there.account = None
            there.save()
            taken.set()
            if connection.vendor == "postgresql":
                until_waiting(1)
            services.follow(there, by=None)

    def enable() -> None:
        taken.wait(60)
        services.enable(made, by=None)

    results = at_once([take, enable])
    made.refresh_from_db()
    assert (results[0], type(results[1]), made.status) == (None, virtual.NumberNotFree, Status.DISABLED)


def test_of_two_owners_who_enable_and_delete_at_once_neither_is_in_the_way(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    made = asked(account, status=Status.DISABLED)
    holds = threading.Event()

    def enable() -> None:
        with transaction.atomic():
            assert virtual.held(made)
            holds.set()
            if connection.vendor == "postgresql":
                until_waiting(1)
            services.enable(made, by=None)

    def delete() -> None:
        holds.wait(60)
        services.delete(Sender.objects.get(pk=made.pk), by=None)

    assert at_once([enable, delete]) == [None, None]
    assert Sender.objects.get(pk=made.pk).deleted_at is not None
    assert queries.owner_of_virtual(NUMBER) is None


def test_an_owner_switches_the_number_off_and_on_and_keeps_it(account: Account) -> None:
    made, person = asked(account), factories.owner(account)
    services.disable(made, by=person)
    assert queries.owner_of_virtual(NUMBER) == account.pk
    services.enable(made, by=person)
    assert verbs(made) == ["requested", "approved", "disabled", "enabled"]


# What the administrator does


def test_a_number_that_the_administrator_gives_is_an_enabled_sender_of_the_account(
    account: Account, admin: Client
) -> None:
    assert give(admin, account, number="09 37 00 00 01").status_code == 200
    assert VirtualNumber.objects.get().number == NUMBER
    made = Sender.objects.get(account=account)
    assert (made.kind, made.value, made.status) == (Sender.Kind.VIRTUAL, NUMBER, Status.ENABLED)
    assert verbs(made) == ["requested", "approved"]
    assert made.changes.get(verb="requested").note == "An administrator gave the virtual number to the account."


@pytest.mark.parametrize("status", [Status.WAITING, Status.REFUSED, Status.DISABLED])
def test_giving_a_number_that_the_account_asked_for_enables_that_sender(
    account: Account, admin: Client, status: str
) -> None:
    made = asked(account, status=status)
    VirtualNumber.objects.all().delete()
    give(admin, account)
    made.refresh_from_db()
    assert (made.status, Sender.objects.filter(account=account).count()) == (Status.ENABLED, 1)


def test_a_number_that_is_taken_away_is_a_disabled_sender_that_its_owner_cannot_enable(
    account: Account, admin: Client
) -> None:
    made = asked(account)
    give(admin, None)
    made.refresh_from_db()
    change = made.changes.latest("pk")
    assert (made.status, change.verb, str(change.by)) == (Status.DISABLED, "disabled", "root")
    assert change.note == "The virtual number is not this account's any more."
    browser = browser_of(factories.owner(account))
    page = sentence(read(browser.post(f"/senders/{made.pk}/enable/", follow=True)))
    assert f"{NUMBER} cannot be enabled: an administrator took it from this SMS account or disabled it." in page
    assert "This number does not belong to your account any more." in page
    made.refresh_from_db()
    assert made.status == Status.DISABLED


def test_a_number_goes_from_one_account_to_another(account: Account, admin: Client) -> None:
    old, other = asked(account), factories.account()
    give(admin, other)
    old.refresh_from_db()
    new = Sender.objects.get(account=other)
    assert (old.status, new.status) == (Status.DISABLED, Status.ENABLED)
    assert queries.owner_of_virtual(NUMBER) == other.pk


def test_a_number_that_is_disabled_takes_its_sender_off_and_comes_back_with_it(account: Account, admin: Client) -> None:
    made = asked(account)
    give(admin, account, enabled="")
    made.refresh_from_db()
    assert (made.status, made.changes.latest("pk").note) == (Status.DISABLED, "The virtual number is disabled.")
    assert queries.owner_of_virtual(NUMBER) == account.pk, "what is sent to it still arrives"
    with pytest.raises(virtual.NumberNotFree):
        services.enable(made, by=None)
    give(admin, account)
    made.refresh_from_db()
    assert made.status == Status.ENABLED


def test_a_word_about_a_number_does_not_enable_what_its_owner_disabled(account: Account, admin: Client) -> None:
    made = asked(account, status=Status.DISABLED)
    give(admin, account, note="Rented until June", capacity="50")
    made.refresh_from_db()
    assert made.status == Status.DISABLED
    assert VirtualNumber.objects.get().capacity == 50


def test_an_account_that_has_the_number_as_another_kind_of_sender_is_not_given_it(
    account: Account, admin: Client
) -> None:
    factories.sender(account, NUMBER, kind=Sender.Kind.NUMERIC)
    page = sentence(read(give(admin, account)))
    assert f"{account} has {NUMBER} already, as a sender of another kind." in page
    assert not VirtualNumber.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"number": "12"}, "This is not a valid number."),
        ({"number": ""}, "This field is required."),
        ({"capacity": "0"}, "greater than or equal to 1"),
        ({"gateway": "elsewhere"}, "Select a valid choice."),
        ({"country": "zz"}, "is not the two capital letters of a country"),
    ],
)
def test_a_number_that_could_not_work_is_refused(admin: Client, changes: dict[str, str], said: str) -> None:
    assert said in sentence(read(give(admin, None, **changes)))
    assert not VirtualNumber.objects.exists()


def test_a_number_that_is_there_already_is_refused(account: Account, admin: Client) -> None:
    asked(account)
    fields = {"number": "09 37 00 00 01", "country": "FR", "enabled": "on"}
    assert "already exists" in sentence(read(admin.post(f"{VIRTUAL}add/", fields)))


def test_only_a_free_number_is_deleted(account: Account, admin: Client) -> None:
    asked(account)
    pk = VirtualNumber.objects.get().pk
    chosen = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    assert admin.post(f"{VIRTUAL}{pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(VIRTUAL, chosen)
    assert VirtualNumber.objects.exists()
    give(admin, None)
    admin.post(VIRTUAL, chosen)
    assert not VirtualNumber.objects.exists()


# What leaves from a number, and what is answered to it


def test_a_number_of_a_gateway_sends_by_that_one_only_whatever_the_routes_say(account: Account) -> None:
    by = asked(account)
    number(gateway="second")
    with scripted_gateways(default={}, second={}) as made:
        message = factories.message(account, by=by)
        made["second"].script = answering(NotSent("away"))
        dispatch_due(clock=at(NOON))
        assert_message(message, State.SCHEDULED, "gateway_unreachable")
        made["second"].script = made["default"].script
        dispatch_due(clock=at(NOON + timedelta(minutes=1)))
        assert_message(message, State.ACCEPTED, gateway="second", originator=NUMBER)
        assert made["default"].sent == []


def test_what_the_gateway_of_the_number_cannot_carry_is_refused_before_it_is_sent(account: Account) -> None:
    by = asked(account)
    number(gateway="second")
    said: dict[str, Any] = {"account_id": account.pk, "sender": by, "message_class": "flash", "commercial": False}
    with scripted_gateways(default={}, second={"classes": ["standard"]}):
        found = carried.refused(["FR"], **said)
        assert found is not None
        assert found[:2] == ({"FR"}, "message_class")
        number(gateway="")
        assert carried.refused(["FR"], **said) is None


def test_a_number_sends_no_more_messages_in_a_day_than_its_capacity(account: Account, gateway: ScriptedGateway) -> None:
    by = asked(account)
    number(capacity=2)
    submission = factories.submission(account, to=3, by=by)
    assert dispatch_due(clock=at(NOON)) == 2
    (waits,) = submission.messages.filter(state=State.SCHEDULED)
    assert_message(waits, State.SCHEDULED, "number_full", due_at=NOON + timedelta(hours=1))
    late = NOON.replace(hour=22, minute=30)
    assert dispatch_due(clock=at(late)) == 0
    # Midnight in Paris, where the installation is.
    assert_message(waits, State.SCHEDULED, "number_full", due_at=NOON.replace(hour=23))
    assert dispatch_due(clock=at(NOON.replace(hour=23))) == 1
    assert list(VirtualNumber.objects.values_list("sent", "sent_on")) == [(1, NOON.date() + timedelta(days=1))]


def test_a_message_that_is_tried_again_counts_once(account: Account, gateway: ScriptedGateway) -> None:
    by = asked(account)
    number(capacity=1)
    message = factories.message(account, by=by)
    taking, gateway.script = gateway.script, answering(NotSent("away"))
    dispatch_due(clock=at(NOON))
    gateway.script = taking
    dispatch_due(clock=at(NOON + timedelta(minutes=1)))
    assert_message(message, State.ACCEPTED)
    assert VirtualNumber.objects.get().sent == 1


def test_a_message_from_a_number_that_another_account_has_now_does_not_leave(
    account: Account, admin: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, by=asked(account), deferred_to=NOON + timedelta(hours=1))
    give(admin, factories.account())
    assert dispatch_due(clock=at(NOON + timedelta(hours=1))) == 0
    assert_message(message, State.FAILED, "number_gone")
    assert gateway.sent == []


def test_a_message_from_a_number_that_is_disabled_waits(
    account: Account, admin: Client, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, by=asked(account), deferred_to=NOON + timedelta(hours=1))
    give(admin, account, enabled="")
    assert dispatch_due(clock=at(NOON + timedelta(hours=1))) == 0
    assert_message(message, State.SCHEDULED, "number_disabled")
    give(admin, account)
    assert dispatch_due(clock=at(NOON + timedelta(hours=2))) == 1


def test_a_batch_from_numbers_with_capacities_takes_as_many_queries_whatever_its_size(
    account: Account, gateway: ScriptedGateway
) -> None:
    by = asked(account)
    factories.grant(account, 100_000)
    number(capacity=1_000)
    counts = []
    for size in (5, 10, 100):
        factories.submission(account, to=size, by=by)
        with CaptureQueriesContext(connection) as asked_for:
            assert dispatch_due(clock=at(NOON)) == size
        counts.append(len(asked_for))
    assert counts[1] == counts[2]


def test_an_answer_to_a_message_of_the_account_that_had_the_number_before_is_not_shown_to_the_new_one(
    account: Account, admin: Client, gateway: ScriptedGateway
) -> None:
    message, other = sent(account, by=asked(account)), factories.account()
    give(admin, other)
    arrive(answer(to=NUMBER))
    found = Received.objects.get()
    assert (found.account, found.answers) == (account, message)
    later = NOON + timedelta(days=3)
    with time_machine.travel(later, tick=False):
        arrive(answer(to=NUMBER), now=later)
    # Its moment is that of `answer`: within the window still.
    assert Received.objects.filter(account=account).count() == 2


# Pages


def test_the_senders_of_an_account_say_which_virtual_numbers_it_has(account: Account) -> None:
    asked(account)
    number(capacity=500)
    page = sentence(read(browser_of(factories.owner(account)).get("/senders/")))
    assert "Belongs to your account; at most 500 messages a day." in page


def test_the_administration_lists_numbers_with_what_is_in_use_in_as_many_queries_for_many(admin: Client) -> None:
    counts = []
    for size in (2, 20):
        for one in range(size):
            account = factories.account()
            short = ShortNumber.objects.create(number=f"{38000 + size * 10 + one}", use="other")
            Lease.objects.create(number=short, recipient="+33612345678", account=account, until=NOON)
            Lease.objects.create(
                number=short, recipient="+33612345679", account=account, until=NOON + timedelta(hours=1)
            )
            VirtualNumber.objects.create(number=mobile(size * 100 + one), account=account)
        for address in (SHORT, VIRTUAL):
            with CaptureQueriesContext(connection) as asked_for:
                page = read(admin.get(address))
            counts.append(len(asked_for))
            if address == SHORT:
                cells = page.one(id="result_list").one("tbody").all("td", **{"class": "field-in_use"})
                assert {cell.text for cell in cells} == {"1"}
    assert counts[:2] == counts[2:]


@pytest.mark.parametrize(("free", "shown"), [("yes", [NUMBER]), ("no", ["+33612000001"])])
def test_the_administration_finds_the_numbers_that_are_free(
    account: Account, admin: Client, free: str, shown: list[str]
) -> None:
    number()
    factories.sender(account, "+33612000001", kind=Sender.Kind.VIRTUAL)
    page = read(admin.get(f"{VIRTUAL}?free={free}"))
    assert [row.one("th").text for row in page.one(id="result_list").one("tbody").all("tr")] == shown


def test_a_number_of_a_gateway_that_is_gone_says_so_and_keeps_it_when_it_is_saved(admin: Client) -> None:
    ShortNumber.objects.create(number="38111", use="other", gateway="gone")
    assert "gone (not configured: nothing leaves from it)" in sentence(read(admin.get(SHORT)))
    pk = ShortNumber.objects.get().pk
    fields = {"number": "38111", "country": "FR", "use": "other", "gateway": "gone", "capacity": "9", "enabled": "on"}
    assert admin.post(f"{SHORT}{pk}/change/", fields).status_code == 302
    assert ShortNumber.objects.get().capacity == 9


def test_the_check_names_numbers_whose_gateway_is_not_configured(db: None) -> None:
    ShortNumber.objects.create(number="38111", use="other", gateway="gone")
    ShortNumber.objects.create(number="38112", use="other", gateway="gone", enabled=False)
    number(gateway="default")
    (found,) = numbers_name_gateways(databases=["default"])
    assert "38111 belongs to the gateway 'gone'" in found.msg
    assert numbers_name_gateways() == []


# What was there before


def test_approved_numbers_of_before_get_their_account_and_the_older_one_where_there_are_two(
    fresh_database: FreshDatabase,
) -> None:
    """As migration 0007 finds them, before 0008 forbids what it clears up."""
    once = next(one for one in Sender._meta.constraints if one.name == "sender_virtual_number_once")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Sender, once)
    older, newer, waiting, alone = (factories.account() for _each in range(4))
    senders = [
        Sender.objects.create(account=one, kind="virtual", value=value, status=status, decided_at=NOON)
        for one, value, status in (
            (older, NUMBER, "enabled"),
            (newer, NUMBER, "enabled"),
            (waiting, NUMBER, "waiting"),
            (newer, mobile(1), "disabled"),
            (alone, mobile(1), "enabled"),
        )
    ]
    migration = importlib.import_module("senders.migrations.0007_virtual_numbers_of_senders")
    for _time in range(2):
        migration.give_numbers(apps, SimpleNamespace(connection=connection))
    owners = dict(VirtualNumber.objects.values_list("number", "account_id"))
    assert owners == {NUMBER: older.pk, mobile(1): alone.pk}
    statuses = [Sender.objects.get(pk=one.pk).status for one in senders]
    assert statuses == ["enabled", "disabled", "waiting", "disabled", "enabled"]
    change = SenderChange.objects.get()
    assert (change.sender, change.note.startswith("Another account")) == (senders[1], True)
    with connection.schema_editor() as editor:
        editor.add_constraint(Sender, once)
