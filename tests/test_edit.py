"""A message that waits is changed: another one takes its place, all of it or nothing."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import claims, scheduled, sending_views, services
from compose.models import Message, Submission
from compose.planning import Refused
from compose.scheduled import CannotReplace, Replaced
from credits.ledger import NotEnoughCredit
from credits.models import Account
from senders import services as sender_services
from tests import factories
from tests.dispatching import dispatch_due
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
        dispatch_due(clock=at(LATER))
        assert {one.text for one in gateway.sent} == {"Bonsoir"}
    assert_ledger_adds_up()


@pytest.mark.parametrize("how", ["claimed", "accepted", "cancelled", "replaced"])
def test_where_one_message_waits_no_more_nothing_changes(account: Account, how: str) -> None:
    old = factories.submission(account, to=3)
    with scripted_gateway():
        if how == "claimed":
            claims.claim_due(clock=at(NOON), size=1)
        elif how == "accepted":
            dispatch_due(clock=at(NOON))
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
    services.cancel(account, [also.pk], by=None, now=NOON)
    assert browser.post(address, typed).status_code == 409
    fresh = read(browser.get(address))
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


# When it leaves


def shown(browser: Client, old: Submission) -> tuple[str, ...]:
    """The moment with which the form to change the message begins, by the clock of Paris."""
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed()
    return (typed["when"], *(typed[name] for name in ("date", "time") if typed.get(name)))


def said_of_moments(browser: Client, old: Submission) -> bool:
    page = read(browser.get(reverse("edit_submission", args=[old.pk])))
    return "do not all leave at the same moment" in sentence(page)


@pytest.mark.parametrize("verb", ["submission", "message"])
def test_after_one_was_cancelled_and_the_other_moved_the_new_one_leaves_at_the_new_moment(
    account: Account, browser: Client, verb: str
) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    out, stays = old.messages.order_by("pk")
    services.cancel(account, [out.pk], by=None, now=NOON)
    moved_to = LATER + timedelta(days=9)
    if verb == "submission":
        scheduled.move(old, to=moved_to, by=None, now=NOON)
    else:
        scheduled.move_message(stays, to=moved_to, by=None, now=NOON)
    page = read(browser.get(reverse("submission", args=[old.pk])))
    assert "Thursday 10 December 2026, 12:00" in page.one(id="facts").text
    assert shown(browser, old) == ("later", "2026-12-10", "12:00")
    assert not said_of_moments(browser, old)
    # The moment of before has passed by now.
    with time_machine.travel(LATER + timedelta(days=1), tick=False):
        browser.force_login(factories.owner(account))
        edited(browser, old, text="Bonsoir")
    assert Submission.objects.get(body="Bonsoir").messages.get().send_at == moved_to


def test_a_moment_that_was_kept_beside_a_later_departure_makes_nothing_leave_sooner(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    services.cancel(account, [_first(old).pk], by=None, now=NOON)
    # As a version before left it.
    old.messages.filter(state=State.SCHEDULED).update(send_at=LATER + timedelta(days=9))
    assert shown(browser, old) == ("later", "2026-12-10", "12:00")
    with time_machine.travel(LATER + timedelta(days=1), tick=False):
        browser.force_login(factories.owner(account))
        assert shown(browser, old) == ("later", "2026-12-10", "12:00")


@pytest.mark.parametrize(
    ("moved_to", "begins"),
    [(LATER + timedelta(days=9), "2026-12-10"), (LATER - timedelta(days=3), "2026-12-01")],
    ids=["later", "sooner"],
)
def test_where_one_was_moved_alone_the_form_begins_with_the_last_departure_and_the_page_says_so(
    account: Account, browser: Client, moved_to: Any, begins: str
) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)
    assert not said_of_moments(browser, old)
    scheduled.move_message(_first(old), to=moved_to, by=None, now=NOON)
    assert shown(browser, old) == ("later", begins, "12:00")
    said = sentence(read(browser.get(reverse("edit_submission", args=[old.pk]))))
    assert "do not all leave at the same moment" in said
    assert "that of the last, unless you choose another one" in said
    # Once all of them are moved there one by one, it is the moment of all.
    for one in old.messages.all():
        scheduled.move_message(one, to=moved_to, by=None, now=NOON)
    assert shown(browser, old) == ("later", f"{moved_to:%Y-%m-%d}", "12:00")
    assert not said_of_moments(browser, old)


def test_commercial_messages_that_wait_for_their_hours_begin_with_the_moment_that_was_asked_for(
    account: Account, browser: Client
) -> None:
    answered = factories.sender(account, "+33937000001", kind="virtual")
    sunday = datetime(2026, 11, 29, 21, tzinfo=UTC)
    numbers = "0612345678, +12025550123"
    typed: dict[str, Any] = {"to": numbers, "commercial": True, "by": answered}
    old = factories.submission(account, deferred_to=sunday, **typed)
    assert shown(browser, old) == ("later", "2026-11-29", "22:00")
    said = sentence(read(browser.get(reverse("edit_submission", args=[old.pk]))))
    assert "the first is planned for Monday 30 November 2026, 08:00, the last for" in said
    assert "wait for their hours in each country, and so will these" in said
    before = set(old.messages.values_list("send_at", flat=True))
    with time_machine.travel(sunday + timedelta(hours=1), tick=False):
        browser.force_login(factories.owner(account))
        # It has come: now leaves at the same hours.
        assert shown(browser, old) == ("now",)
        edited(browser, old, text="Bonsoir")
    assert set(Submission.objects.get(body="Bonsoir").messages.values_list("send_at", flat=True)) == before
    # One that was moved alone to another night waits for the hours after that one.
    old = factories.submission(account, deferred_to=sunday, body="b", **typed)
    scheduled.move_message(_first(old), to=sunday + timedelta(days=7), by=None, now=NOON)
    assert shown(browser, old) == ("later", "2026-12-07", "08:00")
    assert said_of_moments(browser, old)


@pytest.mark.parametrize(
    ("leaves", "begins"),
    [
        (datetime(2026, 12, 1, 11, 0, 20, tzinfo=UTC), ("2026-12-01", "12:01")),
        # The clocks of Paris go back: this is the second time that it is half past two.
        (datetime(2027, 10, 31, 1, 30, tzinfo=UTC), ("2027-10-31", "03:00")),
    ],
)
def test_a_departure_that_the_fields_cannot_say_is_rounded_up(
    account: Account, browser: Client, leaves: datetime, begins: tuple[str, str]
) -> None:
    old = factories.submission(account, deferred_to=LATER)
    old.messages.update(send_at=leaves)
    assert shown(browser, old) == ("later", *begins)


def test_what_is_paused_and_whose_departure_has_come_is_said_to_wait_no_more(account: Account, browser: Client) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    scheduled.pause(old, by=None, now=NOON)
    address = reverse("edit_submission", args=[old.pk])
    wait_no_more = "leaves without waiting unless you choose a later moment"
    assert wait_no_more not in sentence(read(browser.get(address)))
    with time_machine.travel(LATER + timedelta(hours=1), tick=False):
        browser.force_login(factories.owner(account))
        assert shown(browser, old) == ("now",)
        assert wait_no_more in sentence(read(browser.get(address)))
        scheduled.move_message(_first(old), to=LATER + timedelta(days=9), by=None, now=LATER + timedelta(hours=1))
        assert shown(browser, old) == ("later", "2026-12-10", "12:00")
        assert wait_no_more not in sentence(read(browser.get(address)))


def test_the_price_beside_a_form_that_was_opened_before_gives_back_only_what_waits(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, to=6, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    form = read(browser.get(address)).form(address)
    for one in old.messages.order_by("pk")[:5]:
        services.cancel(account, [one.pk], by=None, now=NOON)
    # Nine of ten credits are available and one is held.
    eleven = ", ".join(one.e164 for one in factories.recipients(11))
    assert "Not enough" in browser.post(reverse("quote"), form.typed(recipients=eleven)).content.decode()


@pytest.mark.parametrize("page", ["submission", "cancel_submission", "move_submission"])
def test_what_waits_belongs_to_the_scheduled_messages_when_the_others_were_cancelled(
    account: Account, browser: Client, page: str
) -> None:
    old = factories.submission(account, to=3, deferred_to=LATER)

    def section() -> str:
        """Which entry of the menu the page, or the question behind its button, belongs to."""
        data = {"when": "now"} if page == "move_submission" else {}
        address = reverse(page, args=[old.pk])
        answer = browser.get(address) if page == "submission" else browser.post(address, data, follow=True)
        return read(answer).one("a", **{"aria-current": "page"}).attributes["href"]

    services.cancel(account, [_first(old).pk], by=None, now=NOON)
    assert section() == reverse("scheduled")
    chosen = old.messages.filter(state=State.SCHEDULED)[0]
    with scripted_gateway():
        scheduled.move_message(chosen, to=None, by=None, now=NOON)
        dispatch_due(clock=at(NOON))
    assert section() == reverse("sent")


# After the session ended


def signed_in_again(browser: Client, account: Account, address: str, typed: dict[str, str], meanwhile: Any) -> Any:
    """Press Replace when the session has ended, sign in after `meanwhile`; the page that comes back."""
    browser.logout()
    answer = browser.post(address, typed)
    assert (answer.status_code, answer.headers["Location"]) == (307, f"{reverse('login')}?next={address}")
    arrived = read(browser.post(answer.headers["Location"], typed))
    meanwhile()
    signing = arrived.form(reverse("login")).typed(
        username=factories.owner(account).username, password=factories.PASSWORD
    )
    back = browser.post(reverse("login"), signing)
    assert back.headers["Location"] == address
    return browser.get(address)


def test_who_was_cancelled_while_somebody_signed_in_stays_out_and_what_was_written_stays(
    account: Account, browser: Client
) -> None:
    other = factories.sender(account, "OtherName")
    old = factories.submission(account, to=3, deferred_to=LATER, by=factories.sender(account))
    address = reverse("edit_submission", args=[old.pk])
    written = {"text": "Bonsoir", "sender": str(other.pk), "message_class": "flash", "date": "2026-12-10"}
    typed = read(browser.get(address)).form(address).typed(action="send", **written)
    answer = signed_in_again(
        browser, account, address, typed, lambda: services.cancel(account, [_first(old).pk], by=None, now=NOON)
    )
    page = read(answer)
    kept = page.form(address).typed()
    assert {name: kept[name] for name in written} == written
    assert kept["recipients"].split() == [one.recipient for one in old.messages.order_by("pk")[1:]]
    assert "the recipients are those whose messages still wait" in sentence(page)
    assert "as you wrote it: send it now" not in sentence(page)
    browser.post(address, page.form(address).typed(action="send"))
    assert Submission.objects.get(body="Bonsoir").recipients == 2


def test_what_was_written_is_kept_when_the_message_left_while_somebody_signed_in(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, to=2, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed(action="send", text="Bonsoir")
    answer = signed_in_again(
        browser, account, address, typed, lambda: services.cancel_submission(old, by=None, now=NOON)
    )
    page = read(answer)
    assert answer.status_code == 409
    assert "so it was not replaced" in sentence(page)
    assert "send it now" not in sentence(page)
    assert page.form(address).typed()["text"] == "Bonsoir"
    assert page.one("button", formaction=reverse("compose")).attributes["form"] == "composer"
    # Once: the next look finds the message as it is.
    assert "cannot be changed any more" in sentence(read(browser.get(address, follow=True)))


def test_a_message_changed_after_the_session_ended_comes_back_to_its_page_and_is_sent_once(
    account: Account, browser: Client
) -> None:
    old = factories.submission(account, deferred_to=LATER)
    address = reverse("edit_submission", args=[old.pk])
    typed = read(browser.get(address)).form(address).typed(action="send", text="Bonsoir")
    kept = read(signed_in_again(browser, account, address, typed, lambda: None)).form(address)
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
