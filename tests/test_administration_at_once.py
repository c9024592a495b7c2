"""The administration, while something else uses what an administrator changes."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError, RestrictedError
from django.test import Client
from django.urls import reverse

from compose import spans
from compose.asking import DECIDE, GIVE_UP
from compose.doubt_views import VERBS
from compose.gateways.base import OutcomeUnknown
from compose.gateways.base import Received as Arriving
from compose.services import store_events
from credits.models import Account, Member
from inbox import services
from inbox.models import Received, Unread
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import raising, scripted_gateway
from tests.pages import browser_of, read, sentence
from tests.threads import DEADLINE, at_once, until_waiting


def page_of(account: Account) -> str:
    """The address of the account in the administration."""
    return reverse("admin:credits_account_change", args=[account.pk])


def removed(admin: Client, account: Account, stays: Member, leaves: Member) -> int:
    """The administrator takes a member out of the account; the status of the answer."""
    fields = {"name": account.name, "country": "FR", "time_zone": "Europe/Paris", "max_parts": "8"}
    fields |= {"members-TOTAL_FORMS": "2", "members-INITIAL_FORMS": "2", "members-1-DELETE": "on"}
    for number, member in enumerate((stays, leaves)):
        of = {"id": member.pk, "account": account.pk, "user": member.user_id, "role": member.role}
        fields |= {f"members-{number}-{name}": str(value) for name, value in of.items()}
    return admin.post(page_of(account), fields).status_code


def test_a_member_who_is_removed_while_a_message_for_them_arrives(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    factories.sender(account, factories.mobile(900_000), kind=Sender.Kind.VIRTUAL)
    event = Arriving(key="one", number=factories.mobile(1), to=factories.mobile(900_000), text="Oui", at=factories.NOON)
    store_events("default", [event], now=factories.NOON)
    admin = browser_of(factories.user("boss", superuser=True))
    arriving = threading.Event()

    def receive() -> int:
        def after_it_is_unread(execute: Any, sql: str, *rest: Any) -> Any:
            answer = execute(sql, *rest)
            if "INSERT INTO inbox_unread" in sql:
                arriving.set()
                if connection.vendor == "postgresql":
                    until_waiting(1)
            return answer

        with connection.execute_wrapper(after_it_is_unread):
            return services.apply_waiting(clock=factories.at(factories.NOON))

    def remove() -> int:
        arriving.wait(DEADLINE)
        return removed(admin, account, stays, leaves)

    assert at_once([receive, remove]) == [1, 302]
    assert Received.objects.get().account == account
    page = read(admin.get(page_of(account)))
    if connection.vendor == "postgresql":
        # Elsewhere there is one writer at a time.
        assert Member.objects.filter(pk=leaves.pk).exists()
        assert "Something else changed this at the same moment, so nothing was saved." in sentence(page)
        assert removed(admin, account, stays, leaves) == 302
    assert list(Member.objects.all()) == [stays]
    assert Unread.objects.get().member == stays


@pytest.fixture
def admin(db: None) -> Client:
    return browser_of(factories.user("boss", superuser=True))


def breaking(statement: str, *values: Any) -> Callable[..., None]:
    """What takes the place of a method: a write that the database refuses."""

    def write(*_everything: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)

    return write


@pytest.mark.django_db
def test_what_somebody_else_has_just_added_is_said_and_written_down(
    admin: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    twice = breaking("INSERT INTO credits_member SELECT * FROM credits_member WHERE id = %s", stays.pk)
    monkeypatch.setattr(Member, "delete", twice)
    assert removed(admin, account, stays, leaves) == 302
    page = read(admin.get(page_of(account)))
    assert "Something else changed this at the same moment, so nothing was saved." in sentence(page)
    assert "credits_member" not in page.text
    assert f"The database refused what {page_of(account)} asked for" in caplog.text
    assert Member.objects.count() == 2


def test_what_somebody_else_has_just_removed_is_said_when_the_database_finds_it_at_the_end(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    monkeypatch.setattr(Member, "delete", breaking("UPDATE credits_member SET user_id = 0 WHERE id = %s", leaves.pk))
    admin = browser_of(factories.user("boss", superuser=True))
    assert removed(admin, account, stays, leaves) == 302
    assert "so nothing was saved." in sentence(read(admin.get(page_of(account))))
    assert Member.objects.get(pk=leaves.pk).user == leaves.user


@pytest.mark.django_db
def test_what_the_database_would_refuse_again_is_not_put_down_to_somebody_else(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    lasting = {
        "NOT NULL": breaking("UPDATE credits_member SET role = NULL WHERE id = %s", leaves.pk),
        "CHECK": breaking("UPDATE credits_account SET max_parts = 0 WHERE id = %s", account.pk),
        "a trigger": breaking("DELETE FROM credits_book"),
    }
    for name, write in lasting.items():
        monkeypatch.setattr(Member, "delete", write)
        with pytest.raises(IntegrityError) as refused:
            removed(admin, account, stays, leaves)
        assert refused.value.__cause__ is not None, name


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [ProtectedError, RestrictedError])
def test_what_django_itself_protects_is_not_put_down_to_somebody_else(
    admin: Client, monkeypatch: pytest.MonkeyPatch, kind: type[ProtectedError | RestrictedError]
) -> None:
    account = factories.account()
    stays, leaves = Member.objects.get(account=account), factories.member(account)

    def protected(*_everything: Any) -> None:
        raise kind("UNIQUE constraint failed: no, it is in use", {stays})

    monkeypatch.setattr(Member, "delete", protected)
    with pytest.raises(kind):
        removed(admin, account, stays, leaves)


@pytest.mark.django_db
def test_an_action_of_a_list_that_did_a_part_is_not_said_to_have_saved_nothing(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = factories.submission(factories.account(), to=3)
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=factories.at(factories.NOON))
    pks = list(sent.messages.order_by("pk").values_list("pk", flat=True))
    give_up = VERBS[GIVE_UP]
    twice = breaking("INSERT INTO credits_member SELECT * FROM credits_member")

    def one_then_refused(chosen: list[int], **rest: Any) -> None:
        give_up(chosen[:1], **rest)
        with transaction.atomic():
            twice()

    monkeypatch.setitem(VERBS, GIVE_UP, one_then_refused)
    messages = reverse("admin:compose_message_changelist")
    fields = {"action": "doubt_give_up", "_selected_action": [str(pk) for pk in pks], DECIDE: "1"}
    fields |= {"about": spans.said(pks), "until": factories.NOON.isoformat()}
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        admin.post(messages, fields)
    assert "nothing was saved" not in read(admin.get(messages)).text
    assert sorted(sent.messages.values_list("state", flat=True)) == ["failed", "unconfirmed", "unconfirmed"]
