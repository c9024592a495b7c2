"""Who has opted out gets no commercial message: left out of the plan, of the submission, and at the claim."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compose import breakers, claims, optouts, services
from compose.models import Message, OptOut, Submission
from compose.planning import Plan, Refused, plan
from compose.quotes import quote
from compose.services import submit
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import FULL, HELD, NOON, assert_ledger_adds_up, assert_message, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, scripted_gateway
from tests.threads import at_once

State = Message.State
GONE, STAYS = "+33612345678", "+33612345679"
BOTH = f"{GONE}, {STAYS}"


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """The only gateway: it takes all messages until its script says otherwise."""
    with scripted_gateway() as made:
        yield made


def recipients(submission: Submission) -> list[str]:
    return list(submission.messages.order_by("pk").values_list("recipient", flat=True))


# In the plan and in the submission


def test_a_number_on_the_list_gets_no_commercial_message_and_costs_nothing(account: Account) -> None:
    factories.opt_out(account, GONE)
    draft = factories.draft(account, to=BOTH, commercial=True)
    planned = plan(draft, now=NOON)
    assert [one.e164 for one in planned.excluded] == [GONE]
    assert [one.recipient.e164 for one in planned.leaving] == [STAYS]
    said = quote(planned, duplicates=0)
    assert (said.recipients, said.sms, said.price) == (1, 1, 1_000)
    submission, _new = submit(draft, now=NOON)
    assert (submission.recipients, submission.excluded, submission.price) == (1, 1, 1_000)
    assert recipients(submission) == [STAYS]
    assert balances(account) == HELD
    assert_ledger_adds_up()


def test_a_message_that_is_not_commercial_goes_to_a_number_on_the_list(account: Account) -> None:
    factories.opt_out(account, GONE)
    submission = factories.submission(account, to=BOTH, commercial=False)
    assert (recipients(submission), submission.excluded) == ([GONE, STAYS], 0)


def test_a_number_that_was_taken_off_the_list_gets_commercial_messages_again(account: Account) -> None:
    listed = factories.opt_out(account, GONE)
    optouts.take_off(account, listed.pk, by=factories.owner(account), reason="Asked for it.")
    assert recipients(factories.submission(account, to=GONE, commercial=True)) == [GONE]


def test_the_list_of_another_account_leaves_nobody_out(account: Account) -> None:
    factories.opt_out(factories.account(), GONE)
    assert plan(factories.draft(account, to=GONE, commercial=True), now=NOON).excluded == ()


@pytest.mark.parametrize("to", [GONE, BOTH])
def test_when_everybody_is_on_the_list_nothing_is_submitted(account: Account, to: str) -> None:
    for number in (GONE, STAYS):
        factories.opt_out(account, number)
    with pytest.raises(Refused) as refused:
        factories.submission(account, to=to, commercial=True)
    assert refused.value.field == "recipients"
    assert "STOP" in str(refused.value.sentence)
    assert not Submission.objects.exists()
    assert balances(account) == FULL


def test_a_country_that_the_sender_does_not_reach_is_no_matter_where_nothing_goes(account: Account) -> None:
    factories.opt_out(account, "+12125551234")
    submission = factories.submission(account, to=f"+12125551234, {STAYS}", commercial=True)
    assert recipients(submission) == [STAYS]


def test_the_same_draft_is_sent_once_though_somebody_opted_out_since(account: Account) -> None:
    draft = factories.draft(account, to=BOTH, commercial=True)
    first, _new = submit(draft, now=NOON)
    factories.opt_out(account, GONE)
    assert submit(draft, now=NOON + timedelta(minutes=1)) == (first, False)


# Between the page and the click


def planned_before(account: Account, to: str) -> Plan:
    """What the page showed, before the first number opted out."""
    planned = plan(factories.draft(account, to=to, commercial=True), now=NOON)
    factories.opt_out(account, GONE)
    return planned


def test_who_opts_out_between_the_page_and_the_click_is_left_out_and_not_paid(account: Account) -> None:
    planned = planned_before(account, BOTH)
    submission, _new = submit(planned.draft, now=NOON, planned=planned)
    assert recipients(submission) == [STAYS]
    assert (submission.recipients, submission.excluded, submission.price) == (1, 1, 1_000)
    assert balances(account) == HELD
    assert_ledger_adds_up()


def test_without_the_second_look_the_message_would_be_stored(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(services, "looked_at_again", lambda planned, now: planned)
    planned = planned_before(account, BOTH)
    submission, _new = submit(planned.draft, now=NOON, planned=planned)
    assert recipients(submission) == [GONE, STAYS]


def test_when_the_last_one_opts_out_before_the_click_nothing_is_stored(account: Account) -> None:
    planned = planned_before(account, GONE)
    with pytest.raises(Refused) as refused:
        submit(planned.draft, now=NOON, planned=planned)
    assert refused.value.field == "recipients"
    assert not Submission.objects.exists()
    assert balances(account) == FULL


def test_an_opt_out_that_is_committed_elsewhere_while_a_message_is_planned_is_seen(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = factories.account()

    def plan_slowly(*everything: Any, **options: Any) -> Plan:
        planned = plan(*everything, **options)
        assert at_once([lambda: optouts.opt_out(account, [GONE], source=OptOut.Source.ANSWER)]) == [1]
        return planned

    monkeypatch.setattr(services, "plan", plan_slowly)
    submission = factories.submission(account, to=BOTH, commercial=True)
    assert recipients(submission) == [STAYS]
    assert_ledger_adds_up()


# At the claim


def test_who_opts_out_before_the_message_leaves_does_not_get_it(account: Account, gateway: ScriptedGateway) -> None:
    submission = factories.submission(account, to=BOTH, commercial=True)
    factories.opt_out(account, GONE)
    assert dispatch_due(clock=at(NOON)) == 1
    assert [one.recipient for one in gateway.sent] == [STAYS]
    assert_message(submission.messages.get(recipient=GONE), State.FAILED, "opted_out", attempts=0, final_at=NOON)
    assert_message(submission.messages.get(recipient=STAYS), State.ACCEPTED)
    assert balances(account) == {"available": 99_000, "held": 0, "spent": 1_000}


def test_without_the_look_at_the_claim_the_message_would_leave(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    factories.submission(account, to=GONE, commercial=True)
    factories.opt_out(account, GONE)
    monkeypatch.setattr(claims, "_opted_out", lambda rows: set())
    assert dispatch_due(clock=at(NOON)) == 1


def test_a_message_that_is_not_commercial_leaves_though_its_recipient_opted_out(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, to=GONE)
    factories.opt_out(account, GONE)
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED)


def test_who_was_taken_off_the_list_before_the_message_leaves_gets_it(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, to=GONE, commercial=True)
    listed = factories.opt_out(account, GONE)
    optouts.take_off(account, listed.pk, by=factories.owner(account), reason="A mistake.")
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED)


def test_each_message_of_a_batch_is_held_against_the_list_of_its_own_account(
    account: Account, gateway: ScriptedGateway
) -> None:
    other = factories.account()
    mine = factories.message(account, to=GONE, commercial=True)
    theirs = factories.message(other, to=GONE, commercial=True)
    factories.opt_out(account, GONE)
    factories.opt_out(other, STAYS)
    dispatch_due(clock=at(NOON))
    assert_message(mine, State.FAILED, "opted_out")
    assert_message(theirs, State.ACCEPTED)


def test_a_message_outside_its_window_whose_recipient_opted_out_is_given_back_at_once(
    account: Account, gateway: ScriptedGateway
) -> None:
    message = factories.message(account, to=GONE, commercial=True)
    factories.opt_out(account, GONE)
    dispatch_due(clock=at(NOON.replace(hour=22)))
    assert_message(message, State.FAILED, "opted_out")
    assert balances(account) == FULL


def test_a_message_whose_validity_is_over_failed_for_that(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account, to=GONE, commercial=True)
    factories.opt_out(account, GONE)
    dispatch_due(clock=at(message.valid_until))
    assert_message(message, State.FAILED, "validity_over")


# Cost


def queries_of(count: int, *, accounts: int = 1) -> tuple[int, int]:
    # The first claim of all gives each gateway its row.
    breakers.noted()
    drafts = [factories.draft(factories.account(), to=count, commercial=True) for _number in range(accounts)]
    for draft in drafts:
        factories.opt_out(draft.account, draft.recipients[0].e164)
    with CaptureQueriesContext(connection) as submitting:
        for draft in drafts:
            submit(draft, now=NOON)
    Message.objects.update(due_at=NOON - timedelta(seconds=1))
    with CaptureQueriesContext(connection) as claiming:
        claims.claim_due(clock=at(NOON))
    return len(submitting), len(claiming)


@pytest.mark.django_db
def test_the_list_costs_the_same_number_of_queries_whatever_the_size_of_the_message(gateway: ScriptedGateway) -> None:
    assert queries_of(3) == queries_of(90)


@pytest.mark.django_db
def test_a_claim_reads_the_lists_of_all_accounts_in_one_query(gateway: ScriptedGateway) -> None:
    one, several = queries_of(3, accounts=1)[1], queries_of(3, accounts=4)[1]
    assert one == several
