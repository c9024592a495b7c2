"""The administration, while something else uses what an administrator changes."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from compose.gateways.base import Received as Arriving
from compose.services import store_events
from credits.models import Account, Member
from inbox import services
from inbox.models import Received, Unread
from senders.models import Sender
from tests import factories
from tests.fixtures.databases import FreshDatabase
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


@pytest.mark.django_db
def test_what_the_database_refuses_at_last_is_said_and_written_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account, admin = factories.account(), browser_of(factories.user("boss", superuser=True))

    def refused(*_everything: Any) -> None:
        raise IntegrityError("of a table")

    monkeypatch.setattr(Member, "delete", refused)
    stays, leaves = Member.objects.get(account=account), factories.member(account)
    assert removed(admin, account, stays, leaves) == 302
    page = read(admin.get(page_of(account)))
    assert "nothing was saved" in sentence(page)
    assert "of a table" not in page.text
    assert f"The database refused what {page_of(account)} asked for" in caplog.text
    assert Member.objects.count() == 2
