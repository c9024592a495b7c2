"""Submitting: what it costs, what is sent, when it leaves, and who is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compose.models import Message, Submission
from compose.numbers import Recipient
from compose.planning import Refused, plan, stop_clause_for
from compose.preview import preview
from compose.quotes import quote
from compose.services import submit
from credits.ledger import NotEnoughCredit
from credits.models import Account, Transfer
from senders import services as sender_services
from senders.models import Sender
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, balances
from tests.gateways_for_tests import scripted_gateway

SUNDAY = datetime(2026, 11, 22, 10, tzinfo=UTC)
CHRISTMAS = datetime(2026, 12, 25, 10, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


def refusal(account: Account, *, now: datetime = NOON, **typed: Any) -> Refused:
    """Why this draft is refused; nothing was written and nothing held."""
    with pytest.raises(Refused) as refused:
        submit(factories.draft(account, **typed), now=now)
    assert not Submission.objects.exists()
    assert balances(account) == {"available": 100_000, "held": 0, "spent": 0}
    return refused.value


# Price


@pytest.mark.parametrize(
    ("body", "parts"), [("a" * 160, 1), ("a" * 161, 2), ("€" * 81, 2), ("ê" * 70, 1), ("ê" * 71, 2)]
)
def test_the_price_is_the_number_of_parts_times_the_rate(account: Account, body: str, parts: int) -> None:
    submission = factories.submission(account, body=body)
    assert (submission.parts, submission.price) == (parts, parts * 1_000)
    assert balances(account) == {"available": 100_000 - parts * 1_000, "held": parts * 1_000, "spent": 0}
    assert_ledger_adds_up()


def test_each_recipient_is_priced_by_the_rate_of_its_destination(account: Account) -> None:
    factories.rate("IN", 400)
    factories.rate("RE", 2_500)
    submission = factories.submission(account, to="0612345678, +919876543210, +262692123456", body="a" * 161)
    prices = dict(submission.messages.values_list("region", "price"))
    assert prices == {"FR": 2_000, "IN": 800, "RE": 5_000}
    assert submission.price == 7_800
    assert Transfer.objects.get(key=f"hold:{submission.pk}").amount == 7_800
    assert_ledger_adds_up()


def test_a_rate_counts_from_its_date_on(account: Account) -> None:
    factories.rate("FR", 500)
    factories.rate("FR", 700, valid_from=NOON)
    assert factories.message(account, now=NOON - timedelta(seconds=1)).price == 500
    assert factories.message(account, now=NOON).price == 700


def test_a_deferred_message_costs_what_holds_at_its_moment(account: Account) -> None:
    factories.rate("FR", 700, valid_from=NOON + timedelta(days=1))
    assert factories.message(account, deferred_to=NOON + timedelta(hours=1)).price == 1_000
    assert factories.message(account, deferred_to=NOON + timedelta(days=2)).price == 700


def test_the_quote_says_what_submitting_then_does(account: Account) -> None:
    draft = factories.draft(account, to=3, body="a" * 161, commercial=True)
    said = quote(plan(draft, now=SUNDAY), duplicates=0)
    shown = preview(draft.body, stop_clause_for(draft.sender, commercial=True), sender=str(draft.sender))
    submission, _new = submit(draft, now=SUNDAY)
    assert shown is not None
    assert (said.price, len(shown.parts), said.sms) == (submission.price, submission.parts, 6)
    assert "".join(shown.parts) == "".join(run.text for run in shown.runs) == submission.text
    assert said.balance_after == balances(account)["available"]
    [wave] = said.moments
    assert {(wave.at, wave.count)} == {(message.send_at, 3) for message in submission.messages.all()}
    assert wave.postponed
    assert not said.now


def test_the_quote_says_how_much_is_missing(account: Account) -> None:
    said = quote(plan(factories.draft(account, to=101), now=NOON), duplicates=0)
    assert (said.missing, said.balance_after) == (1_000, -1_000)


# The STOP clause


@pytest.mark.parametrize(
    ("kind", "value", "clause"),
    [
        (Sender.Kind.ALPHANUMERIC, "BoulMartin", "\nSTOP:36111"),
        (Sender.Kind.NUMERIC, "+33612345699", "\nSTOP:36111"),
        (Sender.Kind.VIRTUAL, "+33937000001", ""),
    ],
)
def test_a_commercial_message_carries_the_clause_where_nobody_can_answer(
    account: Account, kind: str, value: str, clause: str
) -> None:
    sender = factories.sender(account, value, kind=kind)
    assert factories.submission(account, by=sender, commercial=True).text == f"Bonjour{clause}"
    assert factories.submission(account, by=sender, commercial=False).text == "Bonjour"


def test_a_message_from_the_pool_carries_no_clause(account: Account) -> None:
    assert factories.submission(account, by=factories.pool(), commercial=True).text == "Bonjour"


@pytest.mark.parametrize(("length", "parts"), [(149, 1), (150, 2)])
def test_the_clause_is_counted_and_paid(account: Account, length: int, parts: int) -> None:
    assert factories.submission(account, body="a" * length, commercial=True).price == parts * 1_000


# When it leaves


def test_a_message_leaves_at_once(account: Account) -> None:
    message = factories.message(account)
    assert (message.send_at, message.postponed_by) == (NOON, "")
    assert message.valid_until == NOON + timedelta(hours=48)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (SUNDAY, datetime(2026, 11, 23, 7, tzinfo=UTC)),
        (CHRISTMAS, datetime(2026, 12, 26, 7, tzinfo=UTC)),
        (NOON.replace(hour=19), datetime(2026, 11, 25, 7, tzinfo=UTC)),
    ],
    ids=["sunday", "christmas", "20:00 in Paris"],
)
def test_a_commercial_message_outside_its_window_is_postponed_to_the_next_opening(
    account: Account, now: datetime, opens: datetime
) -> None:
    message = factories.message(account, now=now, commercial=True)
    assert (message.send_at, message.postponed_by) == (opens, "window")
    assert message.valid_until == opens + timedelta(hours=48)
    assert factories.message(account, now=now, commercial=False).send_at == now


def test_the_window_is_that_of_each_recipient(account: Account) -> None:
    evening = NOON.replace(hour=18, minute=30)  # 19:30 in Paris, 22:30 in La Réunion
    submission = factories.submission(account, now=evening, commercial=True, to="0612345678, +262692123456")
    assert dict(submission.messages.values_list("region", "send_at")) == {
        "FR": evening,
        "RE": datetime(2026, 11, 25, 4, tzinfo=UTC),
    }


def test_an_installation_without_the_window_sends_at_any_hour(account: Account, settings: Any) -> None:
    settings.SMS_COMMERCIAL_WINDOWS = {"default": None}
    assert factories.message(account, now=SUNDAY, commercial=True).send_at == SUNDAY


def test_a_deferred_message_is_kept_as_an_instant_with_the_zone_it_was_chosen_in(account: Account) -> None:
    chosen = NOON + timedelta(days=3)
    submission = factories.submission(account, deferred_to=chosen)
    assert (submission.deferred_to, submission.time_zone) == (chosen, "Europe/Paris")
    assert submission.messages.get().send_at == chosen


@pytest.mark.parametrize("late_by", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_a_moment_that_is_past_is_refused(account: Account, late_by: timedelta) -> None:
    assert refusal(account, deferred_to=NOON - late_by).field == "time"


def test_a_moment_beyond_a_year_is_refused_even_at_the_end_of_the_calendar(account: Account) -> None:
    assert refusal(account, deferred_to=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)).field == "date"
    assert refusal(account, deferred_to=NOON + timedelta(days=366, seconds=1)).field == "date"


# Who and what is refused


def test_a_number_typed_twice_gets_the_message_once(account: Account) -> None:
    submission = factories.submission(account, to="0612345678, +33612345678, 06 12 34 56 78")
    assert (submission.recipients, submission.price) == (1, 1_000)


def test_a_draft_that_names_a_number_twice_sends_it_once(account: Account) -> None:
    twice = [Recipient("+33612345678", "FR", "0612345678"), Recipient("+33612345678", "FR", "+33612345678")]
    submission, _new = submit(replace(factories.draft(account), recipients=twice), now=NOON)
    assert (submission.recipients, submission.messages.count(), submission.price) == (1, 1, 1_000)
    assert_ledger_adds_up()


def test_nobody_to_send_to_is_refused(account: Account) -> None:
    assert refusal(account, to=0).field == "recipients"


@pytest.mark.parametrize("body", ["", "  \n\t ", "\u00a0\u202f"])
def test_a_text_of_spaces_is_refused(account: Account, body: str) -> None:
    assert refusal(account, body=body).field == "text"


@pytest.mark.parametrize("body", ["a" * 1225, "ê" * 537, "a" * 1_000_000], ids=["9 parts", "9 parts UCS-2", "1 MB"])
def test_a_text_above_the_accounts_limit_is_refused(account: Account, body: str) -> None:
    refused = refusal(account, body=body)
    assert refused.field == "text"
    assert "8" in str(refused.sentence)


@pytest.mark.parametrize("body", ["a" * 39_016, "ê" * 20_000], ids=["GSM", "UCS-2"])
def test_a_text_above_the_limit_of_the_standard_is_refused_by_an_account_that_sends_all_255(
    db: None, body: str
) -> None:
    assert refusal(factories.account(max_parts=255), body=body).field == "text"


@pytest.mark.parametrize("status", [Sender.Status.WAITING, Sender.Status.DISABLED, Sender.Status.REFUSED])
def test_a_sender_that_is_not_enabled_is_refused(account: Account, status: str) -> None:
    assert refusal(account, by=factories.sender(account, status=status)).field == "sender"


def test_a_deleted_sender_is_refused(account: Account) -> None:
    sender = factories.sender(account)
    sender_services.delete(sender, by=None)
    assert refusal(account, by=sender).field == "sender"


def test_a_sender_of_another_account_is_refused(account: Account) -> None:
    assert refusal(account, by=factories.sender(factories.account())).field == "sender"


def test_a_class_that_the_gateway_does_not_declare_is_refused(account: Account) -> None:
    with scripted_gateway(classes=["standard"]):
        assert refusal(account, message_class="flash").field == "message_class"


def test_without_enough_credit_nothing_is_kept(account: Account) -> None:
    with pytest.raises(NotEnoughCredit) as refused:
        factories.submission(account, to=101)
    assert refused.value.missing == 1_000
    assert not Submission.objects.exists()
    assert not Message.objects.exists()
    assert balances(account) == {"available": 100_000, "held": 0, "spent": 0}
    assert_ledger_adds_up()
