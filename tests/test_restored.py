"""After a back-up was restored: nothing that may have left since leaves a second time by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse

from compose import claims, dispatch, doubts, scheduled
from compose.gateways.base import Accepted, OutcomeUnknown
from compose.models import Message
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import arrive, report
from tests.factories import NOON, assert_ledger_adds_up, at
from tests.gateways_for_tests import ScriptedGateway, raising, scripted_gateway
from tests.pages import browser_of, read

State = Message.State
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def noon(counters: None) -> Iterator[None]:
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
        assert "\n7 messages may have left after the back-up" in capsys.readouterr().out
    in_doubt = [sending, *waiting, soon, *paused.messages.all()]
    assert {states(one) for one in in_doubt} == {(State.UNCONFIRMED, "restored")}
    assert states(later) == (State.SCHEDULED, "")
    scheduled.resume(paused, now=NOON + 5 * HOUR)
    while dispatch.sweep(clock=at(NOON + 5 * HOUR)):
        pass
    dispatch_due(clock=at(NOON + 5 * HOUR))
    assert [one.recipient for one in gateway.sent] == [later.recipient]
    assert {states(one) for one in in_doubt} == {(State.UNCONFIRMED, "restored")}
    assert_ledger_adds_up()


def test_what_is_in_doubt_after_a_restore_is_resolved_as_any_other(account: Account, gateway: ScriptedGateway) -> None:
    first, second, third = factories.submission(account, to=3).messages.order_by("pk")
    call_command("after_restore", verbosity=0)
    arrive(report("delivered", message_id=str(first.pk)))
    doubts.give_up([second.pk], by=None, now=NOON)
    doubts.send_again([third.pk], by=None, now=NOON)
    dispatch_due(clock=at(NOON))
    assert [states(one)[0] for one in (first, second, third)] == [State.DELIVERED, State.FAILED, State.ACCEPTED]
    assert_ledger_adds_up()


def test_a_message_whose_validity_ended_long_ago_waits_for_an_answer_as_long_as_any_other(account: Account) -> None:
    """Of a submission that was paused for days, and of what was in doubt when an old back-up was made."""
    paused = factories.submission(account, to=2)
    scheduled.pause(paused, by=None, now=NOON)
    doubtful = factories.message(account)
    with scripted_gateway() as lost:
        lost.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON))
    restored_at = NOON + 20 * DAY
    with time_machine.travel(restored_at, tick=False):
        call_command("after_restore", verbosity=0)
    in_doubt = [doubtful, *paused.messages.all()]
    forgotten = restored_at + timedelta(days=settings.SMS_UNCONFIRMED_DAYS)
    dispatch.sweep(clock=at(forgotten - HOUR))
    assert [states(one)[0] for one in in_doubt] == [State.UNCONFIRMED] * 3
    dispatch.sweep(clock=at(forgotten))
    assert [states(one)[0] for one in in_doubt] == [State.EXPIRED] * 3
    assert_ledger_adds_up()


def test_a_validity_that_goes_on_is_left_as_it_is(account: Account) -> None:
    message = factories.message(account)
    call_command("after_restore", verbosity=0)
    valid = message.valid_until
    message.refresh_from_db()
    assert message.valid_until == valid


def test_a_report_about_a_message_that_is_lost_decides_on_no_other(account: Account, gateway: ScriptedGateway) -> None:
    """A vendor that gives no reference repeats our key."""
    gateway.script = lambda chunk: [Accepted("") for _one in chunk]
    lost = factories.message(account).pk + 1
    call_command("after_restore", verbosity=0)
    new = factories.message(account, to="06 99 99 99 99")
    dispatch_due(clock=at(NOON))
    arrive(report("rejected", message_id=str(lost)))
    assert states(new) == (State.ACCEPTED, "")
    arrive(report("delivered", message_id=str(new.pk)))
    assert states(new)[0] == State.DELIVERED


def test_a_second_run_changes_nothing_that_the_first_did(account: Account) -> None:
    messages = list(factories.submission(account, to=2).messages.all())
    call_command("after_restore", verbosity=0)
    with time_machine.travel(NOON + HOUR, tick=False):
        call_command("after_restore", verbosity=0)
    assert {states(one) for one in messages} == {(State.UNCONFIRMED, "restored")}
    assert {one.transitions.filter(reason="restored").count() for one in messages} == {1}


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


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday",
        "2026-13-01",
        "9999-12-31 23:00",
        "9999-12-31T23:59:59-14:00",
        # A day alone would be its first instant: what left on it would leave twice.
        "2026-11-20",
        "20261120",
        "2026-W47-5",
    ],
)
def test_a_moment_that_is_none_or_has_not_come_changes_nothing(account: Account, moment: str) -> None:
    message = factories.message(account)
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("after_restore", stopped_at=moment)
    assert states(message)[0] == State.SCHEDULED


def test_of_an_hour_that_comes_twice_the_second_one_is_meant(account: Account) -> None:
    # The clocks of Paris are set back from 03:00 to 02:00 on 25 October 2026, at 01:00 UTC.
    between = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    message = factories.message(account)
    Message.objects.filter(pk=message.pk).update(send_at=between, due_at=between)
    call_command("after_restore", stopped_at="2026-10-25 02:30", verbosity=0)
    assert states(message)[0] == State.UNCONFIRMED
