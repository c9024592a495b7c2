"""After a back-up was restored: nothing that may have left since leaves a second time by itself."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.urls import reverse

from compose import claims, dispatch, doubts, scheduled
from compose.models import Message
from credits.models import Account
from tests import factories
from tests.events import arrive, report
from tests.factories import NOON, assert_ledger_adds_up, at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.pages import browser_of, read

State = Message.State
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=1_000_000)


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


def states(of: Message) -> tuple[str, str]:
    of.refresh_from_db()
    return of.state, of.reason


def test_what_may_have_left_since_the_back_up_is_in_doubt_and_does_not_leave_again(
    account: Account, gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    sending = factories.message(account)
    claims.claim_due(clock=at(NOON))
    waiting = list(factories.submission(account, to=3).messages.order_by("pk"))
    soon = factories.message(account, deferred_to=NOON + HOUR)
    paused = factories.submission(account, to=2)
    scheduled.pause(paused, by=None, now=NOON)
    later = factories.message(account, deferred_to=NOON + 3 * HOUR)
    with time_machine.travel(NOON + 5 * HOUR, tick=False):
        call_command("after_restore", stopped_at=(NOON + 2 * HOUR).isoformat())
        assert capsys.readouterr().out.startswith("7 messages may have left after the back-up")
    in_doubt = [sending, *waiting, soon, *paused.messages.all()]
    assert {states(one) for one in in_doubt} == {(State.UNCONFIRMED, "restored")}
    assert states(later) == (State.SCHEDULED, "")
    scheduled.resume(paused, now=NOON + 5 * HOUR)
    while dispatch.sweep(clock=at(NOON + 5 * HOUR)):
        pass
    dispatch.dispatch_due(clock=at(NOON + 5 * HOUR))
    assert [one.recipient for one in gateway.sent] == [later.recipient]
    assert {states(one) for one in in_doubt} == {(State.UNCONFIRMED, "restored")}
    assert_ledger_adds_up()


def test_what_is_in_doubt_after_a_restore_is_resolved_as_any_other(account: Account, gateway: ScriptedGateway) -> None:
    first, second, third = factories.submission(account, to=3).messages.order_by("pk")
    call_command("after_restore", verbosity=0)
    arrive(report("delivered", message_id=str(first.pk)))
    doubts.give_up([second.pk], by=None, now=NOON)
    doubts.send_again([third.pk], by=None, now=NOON)
    dispatch.dispatch_due(clock=at(NOON))
    assert [states(one)[0] for one in (first, second, third)] == [State.DELIVERED, State.FAILED, State.ACCEPTED]
    assert_ledger_adds_up()


def test_the_page_of_such_a_message_says_why(account: Account) -> None:
    message = factories.message(account)
    call_command("after_restore", verbosity=0)
    page = read(browser_of(factories.owner(account)).get(reverse("message", kwargs={"pk": message.pk})))
    assert "The installation was restored from a back-up" in page.one(id="story").text
    assert "Was the unconfirmed message sent?" in page.one(id="doubt").text


def test_more_than_one_transaction_holds(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compose.restored.BATCH", 2)
    made = factories.submission(account, to=5)
    call_command("after_restore", verbosity=0)
    assert set(made.messages.values_list("state", flat=True)) == {State.UNCONFIRMED}


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "9999-12-31 23:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_is_none_or_has_not_come_changes_nothing(account: Account, moment: str) -> None:
    message = factories.message(account)
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("after_restore", stopped_at=moment)
    assert states(message)[0] == State.SCHEDULED
