"""A message that waits is changed: another one takes its place, all of it or nothing."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import claims, dispatch, scheduled, sending_views, services
from compose.models import Message, Submission
from compose.planning import Refused
from compose.scheduled import CannotReplace, Replaced
from credits.ledger import NotEnoughCredit
from credits.models import Account
from senders import services as sender_services
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import scripted_gateway
from tests.pages import browser_of, read, sentence

State = Message.State
LATER = NOON + timedelta(days=7)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=10_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def replace(old: Submission, waiting: int | None = None, **typed: Any) -> tuple[Submission, bool]:
    draft = factories.draft(old.account, **({"deferred_to": LATER} | typed))
    return services.submit(draft, now=NOON, replaces=Replaced(old, old.recipients if waiting is None else waiting))


def states(of: Submission) -> set[tuple[str, str]]:
    return set(of.messages.values_list("state", "reason"))


# The verb


def test_the_new_one_takes_the_place_of_the_old_and_the_credits_follow(account: Account) -> None:
    old = factories.submission(account, to=6, deferred_to=LATER)
    new, is_new = replace(old, to=8, body="Bonsoir")
    assert is_new
    old.refresh_from_db()
    assert old.replaced_by == new
    assert states(old) == {(State.CANCELLED, "replaced")}
    assert states(new) == {(State.SCHEDULED, "")}
    # Six of ten credits were held; eight are paid from what they gave back.
    assert balances(account) == {"available": 2_000, "held": 8_000, "spent": 0}
    noted = old.messages.all()[0].transitions.get()
    assert (noted.by, noted.at, noted.state) == (factories.owner(account), NOON, State.CANCELLED)
    with scripted_gateway() as gateway:
        dispatch.dispatch_due(clock=at(LATER))
        assert {one.text for one in gateway.sent} == {"Bonsoir"}
    assert_ledger_adds_up()


@pytest.mark.parametrize("how", ["claimed", "accepted", "cancelled", "replaced"])
def test_where_one_message_waits_no_more_nothing_changes(account: Account, how: str) -> None:
    old = factories.submission(account, to=3)
    with scripted_gateway():
        if how == "claimed":
            claims.claim_due(clock=at(NOON), size=1)
        elif how == "accepted":
            dispatch.dispatch_due(clock=at(NOON))
        elif how == "cancelled":
            services.cancel(account, [old.messages.all()[0].pk], by=None, now=NOON)
        else:
            replace(old)
    before = (states(old), balances(account), Submission.objects.count())
    with pytest.raises(CannotReplace) as refused:
        replace(old, body="Bonsoir")
    assert refused.value.submission == old
    assert (states(old), balances(account), Submission.objects.count()) == before
    assert_ledger_adds_up()


def test_what_was_cancelled_before_does_not_keep_the_others_from_being_changed(account: Account) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)
    out = _first(old)
    services.cancel(account, [out.pk], by=None, now=NOON)
    assert scheduled.replaceable(old) == Replaced(old, 2)
    # Two of ten credits were held, and one was given back.
    assert scheduled.held_by(Replaced(old, 2)) == 2_000
    new, _is_new = replace(old, waiting=2, to=2, body="Bonsoir")
    assert states(old) == {(State.CANCELLED, "cancelled"), (State.CANCELLED, "replaced")}
    assert states(new) == {(State.SCHEDULED, "")}
    assert balances(account) == {"available": 8_000, "held": 2_000, "spent": 0}
    # Replaced once, it is not replaced by a second one.
    with pytest.raises(CannotReplace):
        replace(old, waiting=0)
    assert_ledger_adds_up()


def test_who_was_taken_out_while_the_others_were_changed_is_not_written_to(account: Account) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)
    services.cancel(account, [_first(old).pk], by=None, now=NOON)
    for opened in (1, 3, 4):
        with pytest.raises(CannotReplace):
            replace(old, waiting=opened, body="Bonsoir")
    services.cancel_submission(old, by=None, now=NOON)
    with pytest.raises(CannotReplace):
        replace(old, waiting=0, body="Bonsoir")
    assert Submission.objects.count() == 1


def test_without_the_credits_for_the_new_one_the_old_one_stays(account: Account) -> None:
    old = factories.submission(account, to=6, deferred_to=LATER)
    with pytest.raises(NotEnoughCredit) as short:
        replace(old, to=11)
    assert short.value.missing == 1_000
    old.refresh_from_db()
    assert (old.replaced_by, states(old)) == (None, {(State.SCHEDULED, "")})
    assert balances(account)["held"] == 6_000
    assert_ledger_adds_up()


def test_what_cannot_be_sent_replaces_nothing(account: Account) -> None:
    old = factories.submission(account, deferred_to=LATER)
    with pytest.raises(Refused):
        replace(old, body=" ")
    assert states(old) == {(State.SCHEDULED, "")}


def test_the_same_click_twice_replaces_once(account: Account) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    key = uuid.uuid4()
    new, _is_new = replace(old, body="Bonsoir", request_key=key)
    assert replace(old, body="Bonsoir", request_key=key) == (new, False)
    assert Submission.objects.count() == 2


def test_a_submission_of_another_account_is_replaced_by_nobody(account: Account) -> None:
    theirs = factories.submission(factories.account(), deferred_to=LATER)
    with pytest.raises(ValueError, match="its own account"):
        services.submit(factories.draft(account), now=NOON, replaces=Replaced(theirs, 1))


def test_replacing_takes_as_many_queries_for_many_as_for_few(account: Account) -> None:
    factories.grant(account, 100_000)
    counted = []
    for count in (3, 40):
        old = factories.submission(account, to=count, deferred_to=LATER)
        draft = factories.draft(account, to=count, deferred_to=LATER, body="b")
        with CaptureQueriesContext(connection) as queries:
            services.submit(draft, now=NOON, replaces=Replaced(old, old.recipients))
        counted.append(len(queries))
    assert counted[0] == counted[1]


# The page


def edited(browser: Client, old: Submission, **typed: str) -> Any:
    """The answer to the edit page, filled in as it comes and changed as `typed`, when Replace is pressed."""
    address = reverse("edit_submission", args=[old.pk])
    form = read(browser.get(address)).form(address)
    return browser.post(address, form.typed(action="send", **typed), follow=True)


def test_the_page_opens_with_what_was_written_and_says_what_it_replaces(account: Account, browser: Client) -> None:
    old = factories.submission(account, to=2, body="Bonjour\n<b>", commercial=True, deferred_to=LATER)
    head = read(browser.get(reverse("submission", args=[old.pk])))
    page = read(browser.get(head.one(id="edit-button").attributes["href"]))
    typed = page.form(reverse("edit_submission", args=[old.pk])).typed()
    wanted = {
        "text": "Bonjour\n<b>",
        "recipients": "+33612100000\n+33612100001",
        "sender": str(old.sender_id),
        "message_class": "standard",
        "when": "later",
        "date": "2026-12-01",
        "time": "12:00",
        "replaces": str(old.pk),
    }
    assert {name: typed.get(name) for name in wanted} == wanted
    assert "not_commercial" not in typed
    assert "takes the place of the message to 2 recipients" in sentence(page)


def test_pressing_replace_replaces_and_shows_the_new_one_which_the_old_one_leads_to(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    answer = edited(browser, old, text="Bonsoir", recipients="06 12 34 56 78")
    new = Submission.objects.get(body="Bonsoir")
    assert answer.redirect_chain == [(reverse("submission", args=[new.pk]), 302)]
    assert (new.recipients, new.deferred_to) == (1, LATER)
    shown = read(browser.get(reverse("submission", args=[old.pk])))
    assert "another one took its place" in sentence(shown)
    assert shown.all("a", href=reverse("submission", args=[new.pk]))
    assert "another message took its place" in sentence(read(browser.get(reverse("message", args=[_first(old).pk]))))
    assert not shown.all(id="edit-button")
    assert_ledger_adds_up()


def _first(of: Submission) -> Message:
    return of.messages.order_by("pk")[0]


def test_who_comes_too_late_keeps_the_text_and_may_make_a_new_message_of_it(account: Account, browser: Client) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed(action="send", text="Bonsoir")
    services.cancel(account, [_first(old).pk], by=None, now=NOON)
    answer = browser.post(address, typed)
    page = read(answer)
    assert answer.status_code == 409
    assert "so it was not replaced" in sentence(page)
    assert page.form(address).typed()["text"] == "Bonsoir"
    assert page.all("a", href=reverse("submission", args=[old.pk]))
    assert Submission.objects.count() == 1
    again = page.one("button", formaction=reverse("compose"))
    assert again.attributes["form"] == "composer"
    fresh = read(browser.post(reverse("compose"), page.form(address).typed(action="check")))
    browser.post(reverse("compose"), fresh.form(reverse("compose")).typed(action="send"))
    assert Submission.objects.get(body="Bonsoir").recipients == 2
    assert Submission.objects.get(pk=old.pk).replaced_by is None
    services.cancel_submission(old, by=None, now=NOON)
    assert "cannot be changed any more" in sentence(read(browser.get(address, follow=True)))


def test_the_page_opens_without_whom_was_taken_out_and_asks_again_when_another_one_is(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)
    out, also, stays = old.messages.order_by("pk")
    services.cancel(account, [out.pk], by=None, now=NOON)
    assert read(browser.get(reverse("submission", args=[old.pk]))).all(id="edit-button")
    address = reverse("edit_submission", args=[old.pk])
    page = read(browser.get(address))
    typed = page.form(address).typed(action="send", text="Bonsoir")
    assert typed["recipients"] == f"{also.recipient}\n{stays.recipient}"
    assert "takes the place of the message to 2 recipients" in sentence(page)
    before = typed["draft"]
    services.cancel(account, [also.pk], by=None, now=NOON)
    assert browser.post(address, typed).status_code == 409
    fresh = read(browser.get(address))
    # A draft that the browser kept from before would bring back whom was taken out.
    assert fresh.form(address).typed()["draft"] != before
    answer = browser.post(address, fresh.form(address).typed(action="send", text="Bonsoir"))
    new = Submission.objects.get(body="Bonsoir")
    assert answer.headers["Location"] == reverse("submission", args=[new.pk])
    assert [one.recipient for one in new.messages.all()] == [stays.recipient]
    assert not read(browser.get(reverse("submission", args=[old.pk]))).all(id="edit-button")
    assert_ledger_adds_up()


def test_two_clicks_on_replace_lead_to_the_same_message(account: Account, browser: Client) -> None:
    old = factories.submission(account, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed(action="send", text="Bonsoir")
    first, second = (browser.post(address, typed).headers["Location"] for _click in range(2))
    assert first == second
    assert Submission.objects.count() == 2


def test_the_price_beside_the_form_counts_what_the_old_one_held(account: Account, browser: Client) -> None:
    old = factories.submission(account, to=6, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    form = read(browser.get(address)).form(address)
    numbers = ", ".join(one.e164 for one in factories.recipients(10))
    shown = browser.post(reverse("quote"), form.typed(recipients=numbers)).content.decode()
    assert "Not enough" not in shown
    assert "Not enough" in browser.post(reverse("quote"), form.typed(recipients=numbers, replaces="")).content.decode()
    # What is no key, or the key of somebody else's, is as good as none.
    theirs = factories.submission(factories.account(), deferred_to=LATER)
    for other in ("x", "9" * 40, str(theirs.pk)):
        answer = browser.post(reverse("quote"), form.typed(recipients=numbers, replaces=other))
        assert "Not enough" in answer.content.decode()


def test_a_sender_that_is_gone_is_said_so_and_a_moment_that_has_come_is_now(account: Account, browser: Client) -> None:
    gone = factories.sender(account, "OldName")
    factories.sender(account, "NewName")
    old = factories.submission(account, by=gone, deferred_to=LATER)
    scheduled.pause(old, by=factories.owner(account), now=NOON)
    sender_services.disable(gone, by=None)
    with time_machine.travel(LATER + timedelta(hours=1), tick=False):
        page = read(browser.get(reverse("edit_submission", args=[old.pk])))
    assert "OldName is not available any more" in sentence(page)
    assert "That one is paused; this one is not." in sentence(page)
    assert page.form(reverse("edit_submission", args=[old.pk])).typed()["when"] == "now"


def test_a_message_changed_after_the_session_ended_comes_back_to_its_page_and_is_sent_once(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed(action="send", text="Bonsoir")
    browser.logout()
    answer = browser.post(address, typed)
    assert (answer.status_code, answer.headers["Location"]) == (307, f"{reverse('login')}?next={address}")
    person = factories.owner(account)
    signing = {"username": person.username, "password": factories.PASSWORD} | {
        name: value for name, value in typed.items() if name not in ("request_key", "action", "csrfmiddlewaretoken")
    }
    back = browser.post(answer.headers["Location"], signing)
    assert back.headers["Location"] == address
    kept = read(browser.get(address)).form(address)
    assert (kept.typed()["text"], kept.typed()["replaces"]) == ("Bonsoir", str(old.pk))
    browser.post(address, kept.typed(action="send"))
    old.refresh_from_db()
    assert old.replaced_by is not None
    assert Submission.objects.count() == 2


def test_a_message_to_more_than_a_form_takes_is_refused_politely(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    monkeypatch.setattr(sending_views, "MAX_RECIPIENTS", 1)
    shown = read(browser.get(reverse("edit_submission", args=[old.pk]), follow=True))
    assert "more recipients than one form takes" in sentence(shown)


def test_the_edit_page_takes_as_many_queries_for_many_recipients_as_for_few(account: Account, browser: Client) -> None:
    factories.grant(account, 100_000)
    counted = []
    for count in (3, 40):
        old = factories.submission(account, to=count, deferred_to=LATER)
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("edit_submission", args=[old.pk]))
        counted.append(len(queries))
    assert counted[0] == counted[1]
