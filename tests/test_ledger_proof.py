"""The proof of the ledger: `verify` and `manage.py verify_ledger`."""

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import F

from compose.queries import outstanding_holds
from credits import ledger
from credits.models import Account, Book
from smsmanager.management.commands import verify_ledger
from tests import factories
from tests.factories import balances
from tests.fixtures.databases import FreshDatabase
from tests.threads import DEADLINE, at_once

CAUSE = ("test", "1")


@pytest.fixture
def account(db: None) -> Account:
    """An account with 10 credits."""
    return factories.account(millis=10_000)


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
    with pytest.raises(CommandError, match=r"Boulangerie Martin .*: shows 7, its transfers give 0"):
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
