"""Answering in a conversation: from which number, for how much, and what becomes of the text when it cannot be sent."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose.gateways import base as gateways
from compose.models import Message, Submission
from compose.numbers import spaced
from compose.services import store_events
from credits.models import Account, Member
from inbox import services, threads
from inbox.models import Received, Unread
from senders import services as sender_services
from senders.models import Lease, Sender, ShortNumber
from tests import factories
from tests.dispatching import dispatch_due
from tests.gateways_for_tests import scripted_gateway
from tests.pages import Element, browser_of, read, sentence

PHONE = "+33612345678"


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(factories.NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def answered(account: Account, *, commercial: bool = False) -> Received:
    """The answer to a message that left from the short number."""
    with scripted_gateway():
        sent = factories.message(account, body="When do you come?", by=factories.pool(), commercial=commercial)
        dispatch_due(clock=factories.at(factories.NOON))
    sent.refresh_from_db()
    event = gateways.Received(
        key=f"answer-{sent.pk}", number=PHONE, to=sent.originator, text="At five", at=factories.NOON
    )
    store_events("default", [event], now=factories.NOON)
    services.apply_waiting(clock=factories.at(factories.NOON))
    return Received.objects.get(event__key=event.key)


def address(came: Received) -> str:
    return reverse("conversation", args=[came.pk])


def written(browser: Client, came: Received, **typed: str | None) -> dict[str, str]:
    """The small form as it is posted with this typed."""
    return read(browser.get(address(came))).form(address(came)).typed(**typed)


def bubbles(page: Element) -> list[str]:
    return [line.one("p").text for line in page.all("div") if "bubble" in line.attributes.get("class", "").split()]


def test_an_answer_goes_out_from_the_number_that_was_answered_and_comes_back_as_a_bubble(
    account: Account, browser: Client
) -> None:
    came = answered(account)
    page = read(browser.get(address(came)))
    assert f"Leaves from the short number {came.to}, which was answered." in sentence(page)
    answer = browser.post(address(came), written(browser, came, text="See you then", action="send"))
    assert (answer.status_code, answer.headers["Location"]) == (302, address(came))
    page = read(browser.get(address(came)))
    # All of one moment: what was sent stands first.
    assert bubbles(page) == ["When do you come?", "See you then", "At five"]
    assert "Your answer is on its way. 1 SMS · 1 credit · Follow it" in sentence(page)
    assert "Your answer is on its way." not in sentence(read(browser.get(address(came))))
    sent = Message.objects.latest("pk")
    assert (sent.recipient, sent.submission.commercial, sent.submission.sender.is_pool) == (PHONE, False, True)
    with scripted_gateway():
        dispatch_due(clock=factories.at(factories.NOON))
    sent.refresh_from_db()
    assert sent.originator == came.to
    factories.assert_ledger_adds_up()


def test_a_virtual_number_that_was_answered_answers(account: Account, browser: Client) -> None:
    came = factories.received(account, "Hello")
    assert f"Leaves from {spaced(came.to)}, which was answered." in sentence(read(browser.get(address(came))))
    browser.post(address(came), written(browser, came, text="Hello you", action="send"))
    assert Submission.objects.get().sender.value == came.to


@pytest.mark.parametrize("gone", ["window", "commercial", "disabled"])
def test_it_says_when_the_answer_may_leave_from_another_number(account: Account, browser: Client, gone: str) -> None:
    came = answered(account, commercial=gone == "commercial")
    if gone == "window":
        Lease.objects.update(until=factories.NOON)
    elif gone == "disabled":
        ShortNumber.objects.filter(number=came.to).update(enabled=False)
    said = f"{came.to} is not kept for this conversation any more: your answer may leave from another short number."
    assert said in sentence(read(browser.get(address(came))))


def test_a_short_number_of_the_account_itself_answers(account: Account, browser: Client) -> None:
    person = factories.owner(account)
    own = sender_services.request_sender(
        account=account, kind=Sender.Kind.SHORT, value="36200", description="", justification="Rented.", by=person
    )
    sender_services.approve(own, by=person)
    came = factories.received(account, "Hello")
    Received.objects.update(to="36200")
    assert "Leaves from 36200, which was answered." in sentence(read(browser.get(address(came))))
    browser.post(address(came), written(browser, came, text="Hello you", action="send"))
    assert Submission.objects.get().sender == own


def test_where_the_vendor_names_no_number_the_message_that_was_answered_does(account: Account, browser: Client) -> None:
    came = answered(account)
    number = came.to
    Received.objects.update(to="")
    assert f"Leaves from the short number {number}, which was answered." in sentence(read(browser.get(address(came))))
    Received.objects.update(answers=None)
    said = "It is not known which number was answered: your answer leaves from a short number."
    assert said in sentence(read(browser.get(address(came))))


def test_without_a_number_that_can_be_answered_it_says_so_and_offers_another_way(
    account: Account, browser: Client
) -> None:
    came = factories.received(account, "Hello")
    ShortNumber.objects.update(enabled=False)
    fields = written(browser, came, text="What I wrote")
    Sender.objects.filter(account=account).update(status=Sender.Status.DISABLED)
    page = read(browser.get(address(came)))
    assert "No number that can be answered is available in your account." in sentence(page)
    assert page.all(id="reply") == []
    # What was being written meanwhile is not lost: it is in the compose page.
    after = read(browser.post(address(came), fields | {"action": "send"}, follow=True))
    assert after.one("textarea", name="text").text == "What I wrote"
    assert not Submission.objects.exists()


def test_who_is_no_mobile_number_is_not_answered(account: Account, browser: Client) -> None:
    came = factories.received(account, "Your code is 1234", number="36173")
    page = read(browser.get(address(came)))
    assert "This number cannot be answered: it is no mobile number." in sentence(page)
    assert page.all(id="reply") == []


def test_the_price_and_the_departure_are_shown_before_sending_without_a_script(
    account: Account, browser: Client
) -> None:
    came = answered(account)
    page = read(browser.post(address(came), written(browser, came, text="a" * 161, action="check")))
    assert "1 recipient · 2 SMS · 2 credits" in sentence(page)
    assert "Leaves at once." in sentence(page)
    assert page.one("textarea", name="text").text == "a" * 161
    assert Submission.objects.count() == 1
    # Sunday: a commercial one waits, and says until when, before and after.
    with time_machine.travel(factories.NOON + timedelta(days=5), tick=False):
        fields = written(browser, came, text="Bread", not_commercial=None)
        page = read(browser.post(address(came), fields | {"action": "check"}))
        assert "leaves on Monday 30 November at 08:00" in sentence(page)
        page = read(browser.post(address(came), fields | {"action": "send"}, follow=True))
        assert "Your answer is kept and leaves on Monday 30 November at 08:00." in sentence(page)
    assert Submission.objects.latest("pk").commercial


def test_the_quote_comes_by_itself_and_complains_only_about_what_is_written(account: Account, browser: Client) -> None:
    came = answered(account)
    quote = reverse("reply_quote", args=[came.pk])
    fields = written(browser, came, text="")
    assert "appear here before you send" in read(browser.post(quote, fields)).text
    assert "1 credit" in read(browser.post(quote, fields | {"text": "Yes"})).text
    assert "too long" in read(browser.post(quote, fields | {"text": "a" * 2000})).text
    # Who it goes to is not for the form to say.
    assert (
        "1 recipient" in read(browser.post(quote, fields | {"text": "Yes", "recipients": "0611111111,0622222222"})).text
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "Write a message: it is empty or holds only spaces."), ("a" * 2000, "The message is too long")],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    account: Account, browser: Client, text: str, complaint: str
) -> None:
    came = answered(account)
    answer = browser.post(address(came), written(browser, came, text=text, not_commercial=None, action="send"))
    assert answer.status_code == 422
    page = read(answer)
    assert complaint in page.error("text")
    assert page.one("textarea", name="text").text == text
    assert "checked" not in page.one("input", id="id_not_commercial").attributes
    assert bubbles(page) == ["When do you come?", "At five"]


def test_too_few_credits_keep_the_answer_and_charge_nothing(browser: Client) -> None:
    account = factories.account(millis=1_000)
    browser = browser_of(factories.owner(account))
    came = answered(account)
    before = factories.balances(account)
    page = read(browser.post(address(came), written(browser, came, text="Yes", action="send")))
    assert "There is not enough credit: 1 credits are missing." in sentence(page)
    assert page.one("textarea", name="text").text == "Yes"
    assert factories.balances(account) == before


def test_who_is_on_the_stop_list_gets_no_commercial_answer(account: Account, browser: Client) -> None:
    came = answered(account)
    factories.opt_out(account, PHONE)
    answer = browser.post(address(came), written(browser, came, text="Bread!", not_commercial=None, action="send"))
    assert answer.status_code == 422
    assert "This number is on the STOP list" in sentence(read(answer))


def test_two_clicks_send_once_and_the_same_form_with_another_text_asks_again(account: Account, browser: Client) -> None:
    came = answered(account)
    fields = written(browser, came, text="Yes", action="send")
    for _click in range(2):
        assert browser.post(address(came), fields).status_code == 302
    assert Submission.objects.count() == 2
    answer = browser.post(address(came), fields | {"text": "No"})
    assert answer.status_code == 422
    page = read(answer)
    assert "This form was already sent with another content." in sentence(page)
    browser.post(address(came), page.form(address(came)).typed(action="send"))
    assert Submission.objects.latest("pk").body == "No"


def test_a_form_without_its_key_sends_nothing_and_gets_a_new_one(account: Account, browser: Client) -> None:
    came = answered(account)
    fields = written(browser, came, text="Yes", action="send")
    answer = browser.post(address(came), fields | {"request_key": "worn"})
    assert answer.status_code == 422
    assert "Nothing was sent: press Send again." in sentence(read(answer))
    assert browser.post(address(came), read(answer).form(address(came)).typed(action="send")).status_code == 302


def test_a_session_that_ends_while_the_answer_is_written_loses_nothing(account: Account, browser: Client) -> None:
    came = answered(account)
    fields = written(browser, came, text="What I wrote", action="send")
    browser.logout()
    answer = browser.post(address(came), fields)
    assert answer.status_code == 307
    sign_in = read(browser.post(answer.headers["Location"], fields))
    form = sign_in.all("form", method="post")[-1]
    typed = {f.attributes["name"]: f.attributes.get("value", "") for f in form.all("input") if "name" in f.attributes}
    typed |= {f.attributes["name"]: f.text for f in form.all("textarea")}
    typed |= {"username": factories.owner(account).get_username(), "password": factories.PASSWORD}
    page = read(browser.post(answer.headers["Location"], typed, follow=True))
    assert page.one("textarea", name="text").text == "What I wrote"
    assert "Your session had ended, so nothing was sent." in sentence(page)
    assert Submission.objects.count() == 1


def test_a_message_that_is_deleted_meanwhile_keeps_its_conversation_and_the_answer(
    account: Account, browser: Client
) -> None:
    came = answered(account)
    fields = written(browser, came, text="Yes", action="send")
    browser.post("/received/change/", {"action": "delete", "pk": came.pk})
    page = read(browser.get(address(came)))
    assert bubbles(page) == ["When do you come?"]
    assert browser.post(address(came), fields, follow=True).status_code == 200
    assert Submission.objects.latest("pk").body == "Yes"


def _long(account: Account, lines: int) -> Received:
    """A conversation of so many lines: every third was sent, two of three came, several of them at one moment."""
    came = answered(account)
    sent = Message.objects.get()
    for number in range(lines):
        at = factories.NOON + timedelta(minutes=number // 4)
        if number % 3:
            event = came.event
            event.pk, event.key = None, f"line-{number}"
            event.save(force_insert=True)
            Received.objects.create(
                account=account, event=event, number=PHONE, to=came.to, text=f"Line {number}", received_at=at
            )
        else:
            submission = sent.submission
            submission.pk, submission.text = None, f"Line {number}"
            submission.request_key = uuid.uuid4()
            submission.save(force_insert=True)
            sent.pk, sent.submission, sent.send_at = None, submission, at
            sent.save(force_insert=True)
    return came


def test_a_long_conversation_is_read_page_by_page_and_misses_and_repeats_nothing(
    account: Account, browser: Client
) -> None:
    came = _long(account, 118)
    whole = bubbles(read(browser.get(address(came))))
    assert len(whole) == threads.SIZE
    page, pages = read(browser.get(address(came))), 1
    while links := [link for link in page.one("main").all("a", rel="next") if link.text == "Older messages"]:
        page = read(browser.get(address(came) + links[0].attributes["href"]))
        whole = bubbles(page) + whole
        pages += 1
        # Nobody answers the middle of a conversation, and it does not change.
        assert page.all(id="reply") == page.all(id="live") == []
    assert pages == 3
    assert len(whole) == 120
    assert set(whole) == {"When do you come?", "At five", *(f"Line {number}" for number in range(118))}
    moments = [int(text.removeprefix("Line ")) // 4 for text in whole if text.startswith("Line")]
    assert moments == sorted(moments)


def test_a_conversation_of_a_thousand_lines_asks_no_more_than_a_short_one(account: Account, browser: Client) -> None:
    came = answered(account)

    def asked() -> int:
        browser.get(address(came))
        with CaptureQueriesContext(connection) as caught:
            assert browser.get(address(came)).status_code == 200
        return len(caught)

    few = asked()
    # Nothing is read twice but the message itself: by its key, and among the lines.
    assert few == 14
    kind = came.event.__class__
    common = {"gateway": "default", "kind": "received", "payload": {}, "look_at": factories.NOON}
    events = [kind(key=f"line-{number}", **common) for number in range(1_000)]
    made = kind.objects.bulk_create(events)
    Received.objects.bulk_create(
        (
            Received(
                account=account,
                event=event,
                number=PHONE,
                to=came.to,
                text=f"Line {number}",
                received_at=factories.NOON + timedelta(seconds=number),
            )
            for number, event in enumerate(made)
        )
    )
    assert asked() == few


def test_it_reads_what_it_shows_and_no_more(account: Account, browser: Client) -> None:
    came = _long(account, 90)
    member = Member.objects.get(account=account)
    Unread.objects.all().delete()
    Unread.objects.bulk_create(Unread(member=member, received=row) for row in Received.objects.all())
    browser.get(address(came))
    shown = threads.thread(account, PHONE).came
    left = set(Unread.objects.values_list("received", flat=True))
    assert left == set(Received.objects.values_list("pk", flat=True)) - {*shown, came.pk}
    assert left


@pytest.mark.parametrize("before", ["x", "20261124T110000.000000-7-1", "20261124T110000.000000-1-99999999999999999999"])
def test_an_address_that_was_edited_gives_the_newest_lines(account: Account, browser: Client, before: str) -> None:
    came = answered(account)
    assert len(bubbles(read(browser.get(f"{address(came)}?before={before}")))) == 2


def test_the_newest_page_follows_what_arrives(account: Account, browser: Client) -> None:
    came = answered(account)
    live = read(browser.get(address(came))).one(id="live").attributes
    assert live["hx-get"] == address(came)
    assert live["hx-select-oob"] == "#thread,#stop-state,#balance,#unread,#live"


def test_who_reads_sees_the_conversation_and_no_form(account: Account) -> None:
    came = answered(account)
    reader = browser_of(factories.member(account, Member.Role.READER).user)
    page = read(reader.get(address(came)))
    assert bubbles(page) == ["When do you come?", "At five"]
    assert page.all(id="reply") == []
    assert reader.post(address(came), {"text": "Yes", "action": "send"}).status_code == 403
