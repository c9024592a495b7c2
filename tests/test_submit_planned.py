"""Submitting what the page has worked out already, and what is looked at again then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from compose import services
from compose.models import MessageClass, Submission
from compose.planning import Refused, plan
from compose.services import submit
from credits.models import Account
from senders import services as sender_services
from senders.models import DestinationRule, Sender
from tests import factories
from tests.factories import FULL, NOON, assert_ledger_adds_up, balances
from tests.gateways_for_tests import scripted_gateway


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


def refusal(account: Account, **typed: Any) -> Refused:
    """Why this draft is refused; nothing was written and nothing held."""
    with pytest.raises(Refused) as refused, translation.override("en"):
        factories.submission(account, **typed)
    assert not Submission.objects.exists()
    assert balances(account) == FULL
    return refused.value


# What was planned is not planned again


def test_what_was_planned_is_stored_and_not_worked_out_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = factories.draft(account, to=3, body="a" * 161)
    planned = plan(draft, now=NOON)

    def never(*_everything: Any, **_options: Any) -> None:
        raise AssertionError("planned again")

    monkeypatch.setattr(services, "plan", never)
    submission, new = submit(draft, now=NOON + timedelta(seconds=1), planned=planned)
    assert (new, submission.recipients, submission.parts, submission.price) == (True, 3, 2, 6_000)
    assert set(submission.messages.values_list("send_at", flat=True)) == {NOON}
    assert submit(draft, now=NOON, planned=planned) == (submission, False)
    assert_ledger_adds_up()


def test_the_plan_of_another_draft_is_a_mistake_of_the_program(account: Account) -> None:
    draft = factories.draft(account)
    with pytest.raises(ValueError, match="another draft"):
        submit(replace(draft, body="Bonsoir"), now=NOON, planned=plan(draft, now=NOON))
    assert not Submission.objects.exists()


@pytest.mark.parametrize("lose", [sender_services.disable, sender_services.delete])
@pytest.mark.parametrize("with_plan", [True, False])
def test_a_sender_that_is_lost_after_the_page_was_shown_is_refused(
    account: Account, lose: Callable[..., None], with_plan: bool
) -> None:
    draft = factories.draft(account)
    planned = plan(draft, now=NOON) if with_plan else None
    # Somebody else's copy: the draft still holds the sender as it was.
    lose(Sender.objects.get(pk=draft.sender.pk), by=None)
    with pytest.raises(Refused) as refused:
        submit(draft, now=NOON, planned=planned)
    assert refused.value.field == "sender"
    assert not Submission.objects.exists()
    assert balances(account) == FULL


def test_a_moment_that_comes_after_the_page_was_shown_is_refused(account: Account) -> None:
    draft = factories.draft(account, deferred_to=NOON + timedelta(minutes=1))
    planned = plan(draft, now=NOON)
    with pytest.raises(Refused) as refused:
        submit(draft, now=NOON + timedelta(minutes=1), planned=planned)
    assert refused.value.field == "time"
    assert balances(account) == FULL


# Which countries the sender reaches


def test_a_sender_that_does_not_reach_a_country_is_refused_with_the_country_and_the_number(account: Account) -> None:
    refused = refusal(account, to="0612345678, +12125551234, +12125551235")
    assert refused.field == "sender"
    assert "United States" in str(refused.sentence)
    assert "2 numbers" in str(refused.sentence)
    assert "take the number out" in str(refusal(account, to="0612345678, +12125551234").sentence)


def test_of_many_countries_that_the_sender_does_not_reach_the_most_frequent_are_named(account: Account) -> None:
    for region in ("BE", "DE", "IT"):
        DestinationRule.objects.create(region=region, kind="alphanumeric", allowed=False)
    to = "+32470123456, +4915112345678, +4915112345679, +393331234567, +12125551234, +12125551235"
    sentence = str(refusal(account, to=to).sentence)
    assert "Germany, United States, Belgium, …" in sentence
    assert "6 numbers" in sentence


def test_another_kind_of_sender_reaches_it(account: Account) -> None:
    by = factories.sender(account, "+33937000001", kind=Sender.Kind.VIRTUAL)
    assert factories.submission(account, to="+12125551234", by=by).recipients == 1


def test_a_rule_that_is_made_later_holds_up_nothing_that_was_submitted(account: Account) -> None:
    draft = factories.draft(account, to="+32470123456")
    planned = plan(draft, now=NOON)
    DestinationRule.objects.create(region="BE", kind="alphanumeric", allowed=False)
    assert submit(draft, now=NOON, planned=planned)[1]


# What the gateway carries, and a text that nobody would see


def test_what_the_gateway_does_not_carry_is_refused_beside_its_field(account: Account) -> None:
    with scripted_gateway(classes=["standard"]):
        refused = refusal(account, message_class=MessageClass.FLASH)
    assert refused.field == "message_class"
    assert "Flash" in str(refused.sentence)


@pytest.mark.parametrize(
    "body",
    [
        "\u200b",
        "\u202e",
        "\u2060",
        "\ufeff\u200d",
        " \u200b\n\u00ad ",
        "\u2800",
        "\u3164",
        "\ufe0f",
        "\x1b\x07",
        "\u2028",
    ],
)
def test_a_text_of_invisible_characters_is_empty(account: Account, body: str) -> None:
    refused = refusal(account, body=body)
    assert (refused.field, refused.sentence) == ("text", refusal(account, body="").sentence)


@pytest.mark.parametrize("body", [".", "\u200b.", "👨\u200d👩", "\u202eabc", "é", "\u0301", "☺\ufe0f"])
def test_a_text_with_a_visible_character_is_not(account: Account, body: str) -> None:
    assert factories.submission(account, body=body).body == body


# A test to oneself


def test_a_message_to_oneself_is_a_message_like_any_other(account: Account) -> None:
    factories.opt_out(account, "+33612345678")
    sunday_night = NOON.replace(day=22, hour=23)
    submission = factories.submission(account, to="+33612345678", commercial=False, now=sunday_night)
    assert (submission.recipients, submission.messages.get().send_at) == (1, sunday_night)
