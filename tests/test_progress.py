"""How far a submission to many is: the bar, the speed, the time left, and how often the page asks for them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import dispatch
from compose.gateways.base import Accepted, InvalidRecipient, NotSent, Outcome, OutcomeUnknown, Outgoing
from compose.models import Message, Submission
from compose.progress import Progress, progress
from credits.models import Account
from tests import factories
from tests.events import about, arrive
from tests.factories import NOON, at
from tests.gateways_for_tests import scripted_gateway
from tests.pages import Element, browser_of, read

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
State = Message.State


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        factories.pool()
        yield


@pytest.fixture
def account() -> Account:
    return factories.account(millis=1_000_000)


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def of(sent: Submission, now: datetime = NOON) -> Progress:
    sent.refresh_from_db()
    return progress(sent, now=now)


def counted(sent: Submission, now: datetime = NOON) -> dict[str, int]:
    return {one.state: one.total for one in of(sent, now).counts}


def page_of(browser: Client, sent: Submission, now: datetime = NOON) -> Element:
    with time_machine.travel(now, tick=False):
        return read(browser.get(reverse("submission", kwargs={"pk": sent.pk})))


def words(browser: Client, sent: Submission, now: datetime = NOON) -> str:
    """What the page says beside the bar."""
    return page_of(browser, sent, now).one("p", **{"class": "advance-words"}).text


def left_at(sent: Submission, *moments: datetime) -> None:
    """A message leaves at each moment, as the gateway takes one at a time."""
    with scripted_gateway(batch_size=1):
        for moment in moments:
            waiting = sent.messages.filter(state=State.SCHEDULED).order_by("pk")
            others = list(waiting[1:].values_list("pk", "due_at"))
            Message.objects.filter(pk__in=[pk for pk, _due in others]).update(due_at=moment + MINUTE * 60)
            dispatch.dispatch_due(clock=at(moment))
            Message.objects.filter(pk__in=[pk for pk, _due in others]).update(due_at=NOON)


def one_of_each(chunk: Sequence[Outgoing]) -> list[Outcome]:
    """A gateway that takes some, refuses one for good, knows nothing of another, and has no time for the last."""
    taken = [Accepted(f"ref-{one.id}") for one in chunk[:-3]]
    return [*taken, InvalidRecipient("no such number"), OutcomeUnknown("silence"), NotSent("busy")]


def test_the_messages_of_every_state_are_counted_and_have_their_part_of_the_bar(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=10)
    with scripted_gateway() as gateway:
        gateway.script = one_of_each
        dispatch.dispatch_due(clock=at(NOON), most=1)
        first, second, third, fourth, *_others = sent.messages.order_by("pk")
        arrive(about(first, "delivered"), about(second, "delivered"), about(third, "undelivered"), now=NOON)
        arrive(about(fourth, "expired"), now=NOON)
    assert counted(sent) == {
        "scheduled": 1,
        "unconfirmed": 1,
        "accepted": 3,
        "delivered": 2,
        "undelivered": 1,
        "expired": 1,
        "failed": 1,
    }
    done = of(sent)
    assert (done.total, done.left, done.percent, done.unreported, done.finished) == (10, 1, 90, 3, False)
    assert [part.state for part in done.parts] == [
        "delivered",
        "accepted",
        "unconfirmed",
        "expired",
        "undelivered",
        "failed",
        "scheduled",
    ]
    bar = page_of(browser, sent).one(id="bar")
    assert bar.one("div", role="progressbar").attributes["aria-valuenow"] == "90"
    widths = {one.attributes["id"]: one.attributes["width"] for one in bar.all("rect") if "id" in one.attributes}
    assert (widths["part-delivered"], widths["part-accepted"], widths["part-scheduled"]) == ("200.0", "300.0", "100.0")
    key = [item.text for item in bar.one("ul", **{"class": "counts"}).all("li")]
    assert key == [
        "2 Delivered",
        "3 Sent",
        "1 Unconfirmed",
        "1 Expired",
        "1 Not delivered",
        "1 Failed",
        "1 Waiting",
    ]


def test_the_bar_is_filled_to_its_end_and_shows_what_is_rare(account: Account) -> None:
    sent = factories.submission(account, to=600)
    with scripted_gateway() as gateway:
        gateway.script = lambda chunk: [InvalidRecipient("no"), *(Accepted(f"ref-{one.id}") for one in chunk[1:])]
        dispatch.dispatch_due(clock=at(NOON), most=1)
    parts = of(sent).parts
    assert min(part.width for part in parts) >= 4
    assert sum(part.width for part in parts) == pytest.approx(1000, abs=0.1)
    assert [part.x for part in parts][1:] == pytest.approx(
        [sum(p.width for p in parts[:n]) for n in range(1, len(parts))], abs=0.1
    )


def test_before_the_first_one_leaves_nothing_is_said_about_speed(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    done = of(sent)
    assert (done.percent, done.left, done.speed, done.time_left) == (0, 3, None, None)
    assert words(browser, sent) == "3 messages left to send · the first ones leave in a moment"


def test_the_speed_is_that_of_the_last_half_minute_and_says_how_long_the_rest_takes(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=100)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(40)))
    now = NOON + 10 * SECOND
    done = of(sent, now)
    assert done.speed == (4, True)
    assert done.time_left == 15 * SECOND
    assert words(browser, sent, now) == "60 messages left to send · 4 messages per second · about 15 seconds left"
    # What left before the last half minute says nothing about the speed of now.
    now = NOON + 2 * MINUTE
    left_at(sent, *(now - n * 10 * SECOND for n in (2, 1)))
    done = of(sent, now)
    assert done.speed == (6, False)
    assert done.time_left == 58 * 10 * SECOND
    assert words(browser, sent, now) == "58 messages left to send · 6 messages per minute · about 10 minutes left"


def test_a_silence_is_said_with_its_length_and_a_later_try_with_its_moment(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    left_at(sent, NOON)
    now = NOON + 3 * MINUTE
    assert of(sent, now).speed is None
    assert words(browser, sent, now) == "2 messages left to send · none has left for 3 minutes"
    sent.messages.filter(state=State.SCHEDULED).update(due_at=now + 5 * MINUTE)
    assert words(browser, sent, now) == "2 messages left to send · tried again at 12:08"
    # However fast the others were: nothing leaves before.
    sent.messages.exclude(state=State.SCHEDULED).update(handed_over_at=now - SECOND)
    assert words(browser, sent, now) == "2 messages left to send · tried again at 12:08"
    assert of(sent, now).time_left is None
    sent.messages.filter(state=State.SCHEDULED).update(due_at=now + 24 * 60 * MINUTE)
    assert words(browser, sent, now).endswith("tried again on Wednesday 25 November at 12:03")


def test_at_the_end_stand_the_whole_time_and_the_average(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    left_at(sent, NOON, NOON + 45 * SECOND, NOON + 90 * SECOND)
    now = NOON + 2 * MINUTE
    done = of(sent, now)
    assert (done.finished, done.percent, done.took, done.average) == (True, 100, 90 * SECOND, (2, False))
    assert words(browser, sent, now) == "Finished in 1 minute 30 seconds: 2 messages per minute on average."
    bar = page_of(browser, sent, now).one(id="bar")
    assert "data-finished" in bar.attributes
    assert "Of 3 the operator has not said yet whether they arrived." in bar.text


def test_the_end_may_come_at_once_or_without_a_message_that_left(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    with scripted_gateway():
        dispatch.dispatch_due(clock=at(NOON))
    assert words(browser, sent) == "Finished in less than a second."
    cancelled = factories.submission(account, to=2, deferred_to=NOON + 60 * MINUTE)
    browser.post(reverse("cancel_submission", kwargs={"pk": cancelled.pk}))
    assert counted(cancelled) == {"cancelled": 2}
    assert words(browser, cancelled) == "Finished: no message left."


def test_what_leaves_later_is_no_part_of_the_time_left(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=4)
    later = sent.messages.order_by("-pk")[:2].values_list("pk", flat=True)
    Message.objects.filter(pk__in=list(later)).update(send_at=NOON + 60 * MINUTE, due_at=NOON + 60 * MINUTE)
    assert words(browser, sent) == (
        "2 messages left to send · the first ones leave in a moment 2 messages leave from Tuesday 24 November at 13:00."
    )
    with scripted_gateway():
        dispatch.dispatch_due(clock=at(NOON))
    done = of(sent)
    assert (done.left, done.to_go, done.later, done.time_left) == (2, 0, 2, None)
    assert words(browser, sent) == "2 messages leave from Tuesday 24 November at 13:00."


def paused(sent: Submission, when: datetime = NOON) -> None:
    """The submission is paused, as its page does it."""
    sent.messages.filter(state=State.SCHEDULED).update(due_at=None)
    Submission.objects.filter(pk=sent.pk).update(paused_at=when, paused_by=sent.created_by)


def test_a_paused_submission_says_so_and_how_many_wait(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=4)
    left_at(sent, NOON)
    paused(sent)
    done = of(sent, NOON + SECOND)
    assert (done.paused, done.waiting, done.time_left) == (True, 3, None)
    assert words(browser, sent, NOON + SECOND) == "Paused: 3 messages wait until the sending is resumed."


def test_a_page_asks_often_while_messages_leave_and_less_for_what_is_large_slow_or_paused(account: Account) -> None:
    sent = factories.submission(account, to=3)
    assert of(sent).every == 2
    # What waits for its next try is on its way again in ten minutes.
    sent.messages.update(due_at=NOON + 10 * MINUTE)
    assert of(sent).every == 60
    sent.messages.update(due_at=NOON)
    left_at(sent, NOON)
    assert of(sent, NOON + 59 * MINUTE).every == 2
    assert of(sent, NOON + 60 * MINUTE).every == 0
    paused(sent)
    assert of(sent, NOON + SECOND).every == 15
    late = NOON + 70 * MINUTE
    paused(sent, late)
    assert of(sent, late).every == 60
    assert of(sent, late + 60 * MINUTE).every == 0


def test_a_submission_that_lasts_for_hours_is_followed_to_its_end(account: Account) -> None:
    sent = factories.submission(account, to=3)
    left_at(sent, NOON, NOON + 100 * MINUTE)
    assert of(sent, NOON + 101 * MINUTE).every == 2
    left_at(sent, NOON + 150 * MINUTE)
    assert of(sent, NOON + 151 * MINUTE).every == 5


def test_a_large_submission_is_asked_for_less_often(account: Account) -> None:
    sent = factories.submission(account, to=3)
    done = of(sent)
    (waiting,) = done.counts
    large = Progress(**{**vars(done), "counts": [waiting._replace(total=100_000)]})
    assert large.every == 4


def test_one_query_says_it_all_however_many_recipients_there_are(account: Account, browser: Client) -> None:
    asked = []
    for many in (3, 40):
        sent = factories.submission(account, to=many)
        with CaptureQueriesContext(connection) as caught:
            of(sent)
        assert len(caught) == 2  # The submission itself is the other one.
        page_of(browser, sent)
        with CaptureQueriesContext(connection) as caught:
            page_of(browser, sent)
        asked.append(len(caught))
    assert asked[0] == asked[1]


def test_without_javascript_the_page_says_how_to_see_more_and_moves_when_it_is_loaded_again(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=3)
    page = page_of(browser, sent)
    assert page.one(id="progress").one("noscript").text == "Load this page again to see how it goes on."
    assert page.one("div", role="progressbar").attributes["aria-valuenow"] == "0"
    # No style of its own anywhere: the policy of the pages refuses it.
    assert [one for one in page.one(id="progress").all() if "style" in one.attributes] == []
    with scripted_gateway():
        dispatch.dispatch_due(clock=at(NOON))
        arrive(*(about(message, "delivered") for message in sent.messages.all()), now=NOON)
    page = page_of(browser, sent)
    assert page.one("div", role="progressbar").attributes["aria-valuenow"] == "100"
    assert (
        page.one("div", role="progressbar").attributes["aria-labelledby"]
        == page.one("h2", id="progress-title").attributes["id"]
    )
    assert page.all("noscript") == []


def test_one_recipient_needs_no_bar(account: Account, browser: Client) -> None:
    page = page_of(browser, factories.submission(account))
    assert page.all(role="progressbar") == []
    assert page.one("ul", id="bar").text == "1 Waiting"


def test_the_words_are_french_where_the_reader_is(account: Account) -> None:
    sent = factories.submission(account, to=100)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(40)))
    reader = browser_of(factories.owner(account), language="fr")
    page = page_of(reader, sent, NOON + 10 * SECOND)
    assert "15 secondes" in page.one("p", **{"class": "advance-words"}).text


def test_all_messages_of_a_submission_are_a_page_of_the_sent_ones(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=60)
    factories.message(account, to="+33698000001")
    (link,) = page_of(browser, sent).one(id="messages").all("a", href=f"/sent/?submission={sent.pk}")
    page = read(browser.get(link.attributes["href"]))
    first = [row.text for row in page.all("a", **{"class": "row-link"})]
    (older,) = page.one("main").all("a", rel="next")
    page = read(browser.get("/sent/" + older.attributes["href"]))
    rest = [row.text for row in page.all("a", **{"class": "row-link"})]
    assert (len(first), len(rest), len({*first, *rest})) == (50, 10, 60)
    # The filters of the page look among them.
    assert page.one("input", type="hidden", name="submission").attributes["value"] == str(sent.pk)
    page = read(browser.get(f"/sent/?submission={sent.pk}&state=failed"))
    assert page.all("a", **{"class": "row-link"}) == []


def test_what_a_submission_still_plans_is_among_its_messages_and_nobody_elses(account: Account) -> None:
    planned = factories.submission(account, to=2, deferred_to=NOON + 60 * MINUTE)
    address = f"/sent/?submission={planned.pk}"
    page = read(browser_of(factories.owner(account)).get(address))
    assert len(page.all("a", **{"class": "row-link"})) == 2
    stranger = factories.account(name="Lagon")
    assert browser_of(factories.owner(stranger)).get(address).status_code == 404
    for nonsense in ("x", "1", "+", "+33%00"):
        assert browser_of(factories.owner(account)).get(f"{address}&before={nonsense}").status_code == 200
    for nonsense in ("x", "-1", "9" * 30):
        assert browser_of(factories.owner(account)).get(f"/sent/?submission={nonsense}").status_code == 200
