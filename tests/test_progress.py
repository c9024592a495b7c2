"""How far a submission to many is: the bar, the speed, the time left, and how often the page asks for them."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import breakers, doubts, services, survey
from compose.gateways.base import Accepted, InvalidRecipient, NotSent, Outcome, OutcomeUnknown, Outgoing
from compose.models import Message, Submission
from compose.progress import Progress, progress
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.events import about, arrive, report
from tests.factories import NOON, at
from tests.gateways_for_tests import raising, scripted_gateway
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
            dispatch_due(clock=at(moment))
            for due in {due for _pk, due in others}:
                Message.objects.filter(pk__in=[pk for pk, its in others if its == due]).update(due_at=due)


def refused(sent: Submission, *moments: datetime) -> None:
    """The gateway refuses a message at each moment."""
    for moment in moments:
        pk = sent.messages.filter(state=State.SCHEDULED).order_by("pk").values_list("pk", flat=True)[0]
        others = Message.objects.filter(state=State.SCHEDULED).exclude(pk=pk)
        due = dict(others.values_list("pk", "due_at"))
        others.update(due_at=None)
        with scripted_gateway() as gateway:
            gateway.script = lambda chunk: [InvalidRecipient("no such number") for _one in chunk]
            dispatch_due(clock=at(moment))
        for one in due:
            Message.objects.filter(pk=one).update(due_at=due[one])


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
        dispatch_due(clock=at(NOON), most=1)
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
        dispatch_due(clock=at(NOON), most=1)
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
    # Nobody sends them.
    assert words(browser, sent, NOON + 5 * MINUTE) == "3 messages left to send · none has left for 5 minutes"


def test_the_speed_is_that_of_the_last_minute_and_says_how_long_the_rest_takes(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=100)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(40)))
    now = NOON + 10 * SECOND
    done = of(sent, now)
    assert done.speed == (4, True)
    assert done.time_left == 15 * SECOND
    assert words(browser, sent, now) == "60 messages left to send · 4 messages per second · about 15 seconds left"
    # What left before the last minute says nothing about the speed of now.
    now = NOON + 2 * MINUTE
    left_at(sent, *(now - n * 10 * SECOND for n in (2, 1)))
    done = of(sent, now)
    assert done.speed == (6, False)
    assert done.time_left == 58 * 10 * SECOND
    assert words(browser, sent, now) == "58 messages left to send · 6 messages per minute · about 10 minutes left"


def post(browser: Client, verb: str, sent: Submission, now: datetime, **data: str) -> None:
    with time_machine.travel(now, tick=False):
        browser.post(reverse(verb, kwargs={"pk": sent.pk}), data)


def test_a_pause_is_no_part_of_the_speed_after_it(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=100)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(40)))
    post(browser, "pause_submission", sent, NOON + 10 * SECOND)
    resumed = NOON + 40 * SECOND
    post(browser, "resume_submission", sent, resumed)
    # Whatever left before the pause, in this very minute.
    assert words(browser, sent, resumed) == "60 messages left to send · the next ones leave in a moment"
    left_at(sent, *(resumed + n * SECOND / 5 for n in range(20)))
    now = resumed + 4 * SECOND
    assert of(sent, now).speed == (5, True)
    assert words(browser, sent, now) == "40 messages left to send · 5 messages per second · about 8 seconds left"
    # An hour later nothing is said of the silence that somebody wanted.
    post(browser, "pause_submission", sent, now)
    late = now + 60 * MINUTE
    post(browser, "resume_submission", sent, late)
    assert words(browser, sent, late) == "40 messages left to send · the next ones leave in a moment"
    assert words(browser, sent, late + 3 * MINUTE) == "40 messages left to send · none has left for 3 minutes"
    left_at(sent, *(late + n * SECOND for n in range(40)))
    done = of(sent, late + MINUTE)
    assert (done.finished, done.took, done.average) == (True, None, None)
    assert words(browser, sent, late + MINUTE) == ("Finished: the last message left on Tuesday 24 November at 13:01.")


def test_what_is_sent_again_the_next_day_is_neither_slow_nor_a_silence_of_a_day(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=20)
    with scripted_gateway() as gateway:
        gateway.script = lambda chunk: [*(Accepted(f"ref-{one.id}") for one in chunk[:-2]), *[OutcomeUnknown("?")] * 2]
        dispatch_due(clock=at(NOON), most=1)
    assert words(browser, sent) == "Finished in less than a second."
    tomorrow = NOON + 24 * 60 * MINUTE
    doubtful = list(sent.messages.filter(state=State.UNCONFIRMED))
    doubts.send_again([one.pk for one in doubtful], by=None, now=tomorrow)
    assert words(browser, sent, tomorrow) == "2 messages left to send · the next ones leave in a moment"
    left_at(sent, tomorrow + SECOND)
    now = tomorrow + 5 * SECOND
    assert words(browser, sent, now) == "1 message left to send · 15 messages per minute · about 4 seconds left"
    left_at(sent, now)
    assert words(browser, sent, now) == "Finished: the last message left on Wednesday 25 November at 12:00."


def test_one_that_is_tried_again_late_takes_neither_time_nor_average_from_the_others(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=61)
    left_at(sent, *(NOON + n * SECOND for n in range(60)))
    late = NOON + 2 * MINUTE
    sent.messages.filter(state=State.SCHEDULED).update(due_at=late)
    left_at(sent, late)
    with CaptureQueriesContext(connection) as caught:
        done = of(sent, late)
    assert (done.took, done.average, len(caught)) == (2 * MINUTE, (30, False), 3)
    assert words(browser, sent, late) == "Finished in 2 minutes: 30 messages per minute on average."
    # A tenth of those that left is many.
    some = list(sent.messages.order_by("pk")[:7].values_list("pk", flat=True))
    sent.messages.update(due_at=NOON)
    for many, took in ((6, 2 * MINUTE), (7, None)):
        Message.objects.filter(pk__in=some[:many]).update(due_at=late)
        assert of(sent, late).took == took
    assert words(browser, sent, late) == "Finished: the last message left on Tuesday 24 November at 12:02."
    # Those that did not leave are neither late nor part of the whole; nor those of which nobody knows when they did.
    Message.objects.filter(pk__in=some[5:]).update(handed_over_at=None)
    other = factories.submission(account, to=61)
    left_at(other, *(NOON + n * SECOND for n in range(58)))
    refused(other, NOON + 58 * SECOND, NOON + 59 * SECOND)
    other.messages.filter(state=State.SCHEDULED).update(due_at=late)
    left_at(other, late)
    other.messages.filter(state=State.ACCEPTED).update(due_at=NOON)
    some = list(other.messages.filter(state=State.ACCEPTED).order_by("pk")[:5].values_list("pk", flat=True))
    other.messages.filter(Q(pk__in=some) | Q(state=State.FAILED)).update(due_at=late)
    for one in (sent, other):
        assert (of(one, late).gone, of(one, late).late, of(one, late).took) == (59, 5, 2 * MINUTE)


def test_what_the_gateway_refused_late_is_no_part_of_the_time_that_it_took(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    left_at(sent, NOON, NOON + 30 * SECOND)
    tomorrow = NOON + 24 * 60 * MINUTE
    refused(sent, tomorrow)
    done = of(sent, tomorrow)
    assert (done.gone, done.last, done.took, done.average) == (2, NOON + 30 * SECOND, 30 * SECOND, (4, False))
    assert words(browser, sent, tomorrow) == "Finished in 30 seconds: 4 messages per minute on average."


def test_one_that_arrived_while_it_waited_to_leave_again_has_no_part_in_the_time(
    account: Account, browser: Client
) -> None:
    sent, other = (factories.submission(account, to=2) for _submission in range(2))
    with scripted_gateway() as gateway:
        gateway.script = lambda chunk: [OutcomeUnknown("?") for _one in chunk]
        dispatch_due(clock=at(NOON))
    rows = [*sent.messages.order_by("pk"), *other.messages.order_by("pk")]
    doubts.send_again([one.pk for one in rows], by=None, now=NOON + MINUTE)
    first, _second, *others = rows
    arrive(*(report("delivered", message_id=str(one.pk)) for one in (first, *others)), now=NOON + MINUTE)
    left_at(sent, NOON + 2 * MINUTE)
    assert (of(sent, NOON + 2 * MINUTE).gone, counted(sent)) == (1, {"accepted": 1, "delivered": 1})
    # Of the others nobody knows when they left.
    assert counted(other) == {"delivered": 2}
    assert words(browser, other, NOON + 2 * MINUTE) == "Finished."


def test_near_the_end_no_seconds_are_counted(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=42)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(40)))
    now = NOON + 10 * SECOND
    assert words(browser, sent, now) == "2 messages left to send · 4 messages per second · almost done"
    assert "encore" not in words(browser_of(factories.owner(account), language="fr"), sent, now)
    # It is not done while others leave later.
    monday = NOON + 6 * 24 * 60 * MINUTE
    last = sent.messages.order_by("-pk").values_list("pk", flat=True)[0]
    Message.objects.filter(pk=last).update(send_at=monday, due_at=monday)
    assert words(browser, sent, now) == (
        "1 message left to send · 4 messages per second 1 message leaves on Monday 30 November at 12:00."
    )


def test_a_silence_is_said_at_once_instead_of_the_speed_that_was(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=100)
    left_at(sent, *(NOON + n * SECOND / 4 for n in range(41)))
    last = NOON + 10 * SECOND
    assert of(sent, last + 29 * SECOND).speed is not None
    now = last + 30 * SECOND
    done = of(sent, now)
    assert (done.speed, done.time_left) == (None, None)
    assert words(browser, sent, now) == "59 messages left to send · none has left for 30 seconds"
    # A refusal is an answer.
    refused(sent, now)
    assert of(sent, now + SECOND).silence is None
    assert words(browser, sent, now + SECOND).startswith("58 messages left to send · 61 messages per minute · about ")


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


def test_before_a_claim_has_looked_at_them_those_for_a_paused_gateway_are_promised_no_moment_either(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=3)
    breakers.pause("default", by=None, reason="work on the line")
    assert words(browser, sent) == "3 messages left to send · they wait until the paused gateway goes on"
    # A claim has looked at some of them.
    first = sent.messages.order_by("pk")[0]
    Message.objects.filter(pk=first.pk).update(reason="gateway_paused", due_at=NOON + MINUTE)
    assert of(sent).for_gateway == 3
    assert of(sent).gateway_paused
    breakers.resume("default")
    sent.messages.update(reason="", due_at=NOON)
    assert words(browser, sent) == "3 messages left to send · the first ones leave in a moment"


def test_looking_whether_a_gateway_is_paused_takes_as_many_queries_for_many_as_for_few(account: Account) -> None:
    breakers.pause("default", by=None, reason="work on the line")
    costs = []
    for many in (2, 30):
        sent = factories.submission(account, to=many)
        with CaptureQueriesContext(connection) as caught:
            assert of(sent).gateway_paused
        costs.append(len(caught))
    assert costs[0] == costs[1]


def test_what_waits_for_a_paused_gateway_is_promised_no_moment(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    left_at(sent, NOON)
    now = NOON + 3 * MINUTE
    breakers.pause("default", by=None, reason="work on the line")
    dispatch_due(clock=factories.at(now))
    assert words(browser, sent, now) == "2 messages left to send · they wait until the paused gateway goes on"
    assert of(sent, now).time_left is None
    # Nor is a silence said, once it was time to look again.
    assert words(browser, sent, now + 10 * MINUTE).endswith("they wait until the paused gateway goes on")
    # One that is tried again by itself has its moment.
    one = sent.messages.filter(state=State.SCHEDULED).order_by("pk")[0]
    Message.objects.filter(pk=one.pk).update(reason="throttled", due_at=now + MINUTE)
    assert words(browser, sent, now) == "2 messages left to send · tried again at 12:04"


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
        dispatch_due(clock=at(NOON))
    assert words(browser, sent) == "Finished in less than a second."
    cancelled = factories.submission(account, to=2, deferred_to=NOON + 60 * MINUTE)
    services.cancel_submission(cancelled, by=None, now=NOON)
    assert counted(cancelled) == {"cancelled": 2}
    assert words(browser, cancelled) == "Finished: no message left."
    nobody = factories.submission(account, to=3)
    refused(nobody, NOON, NOON + 5 * MINUTE)
    services.cancel_submission(nobody, by=None, now=NOON + 5 * MINUTE)
    assert counted(nobody) == {"failed": 2, "cancelled": 1}
    assert words(browser, nobody, NOON + 5 * MINUTE) == "Finished: no message left."


def test_whether_what_a_person_gave_up_had_left_is_not_said(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=2)
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON))
    doubts.give_up(sent.messages.values_list("pk", flat=True), by=None, now=NOON)
    assert counted(sent) == {"failed": 2}
    assert words(browser, sent) == "Finished."


def test_what_leaves_later_is_no_part_of_the_time_left(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=4)
    later = sent.messages.order_by("-pk")[:2].values_list("pk", flat=True)
    Message.objects.filter(pk__in=list(later)).update(send_at=NOON + 60 * MINUTE, due_at=NOON + 60 * MINUTE)
    assert words(browser, sent) == (
        "2 messages left to send · the first ones leave in a moment 2 messages leave from Tuesday 24 November at 13:00."
    )
    with scripted_gateway():
        dispatch_due(clock=at(NOON))
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


def test_two_queries_say_it_all_however_many_recipients_there_are(account: Account, browser: Client) -> None:
    asked = []
    for many in (3, 40):
        sent = factories.submission(account, to=many)
        with CaptureQueriesContext(connection) as caught:
            of(sent)
        # The second one asks whether a gateway is paused; the submission itself is another one.
        assert len(caught) == 3
        # One more for what leaves later.
        later = factories.submission(account, to=many, deferred_to=NOON + 60 * MINUTE)
        with CaptureQueriesContext(connection) as caught:
            of(later)
        assert len(caught) == 3
        page_of(browser, sent)
        with CaptureQueriesContext(connection) as caught:
            page_of(browser, sent)
        asked.append(len(caught))
    assert asked[0] == asked[1]


# What many follow is read once for all of them


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "SHARED_FROM", 4)


def surveyed(browser: Client, sent: Submission, now: datetime, *, follows: bool) -> tuple[str, int]:
    """What the page says of how far it is, and how many times that was read for it."""
    headers = {"HX-Request": "true"} if follows else {}
    address = reverse("submission", kwargs={"pk": sent.pk})
    with time_machine.travel(now, tick=False), CaptureQueriesContext(connection) as caught:
        bar = read(browser.get(address, headers=headers)).one("div", role="progressbar")
    reads = [one for one in caught.captured_queries if 'MAX("compose_message"."handed_over_at")' in one["sql"]]
    return bar.attributes["aria-valuenow"], len(reads)


@pytest.mark.usefixtures("shared")
def test_those_who_follow_a_large_submission_read_it_together_and_no_page_goes_back(
    account: Account, browser: Client
) -> None:
    sent = factories.submission(account, to=4)
    colleague = browser_of(factories.member(account, "reader").user)
    assert surveyed(browser, sent, NOON, follows=False) == ("0", 1)
    left_at(sent, NOON)
    assert surveyed(colleague, sent, NOON + SECOND, follows=True) == ("0", 0)
    # Who comes, or has just done something, sees what is there; and the others from then on.
    assert surveyed(colleague, sent, NOON + SECOND, follows=False) == ("25", 1)
    left_at(sent, NOON + SECOND)
    assert surveyed(browser, sent, NOON + 2 * SECOND, follows=True) == ("25", 0)
    # No page asks again within the time for which it is good.
    assert of(sent).every >= survey.every(sent.recipients)
    assert surveyed(browser, sent, NOON + 3 * SECOND, follows=True) == ("50", 1)
    # What somebody holds back is held back for everybody at once.
    post(browser, "pause_submission", sent, NOON + 3 * SECOND)
    assert surveyed(colleague, sent, NOON + 3 * SECOND, follows=True) == ("50", 1)


@pytest.mark.usefixtures("shared")
def test_a_large_submission_that_has_ended_is_read_once_more_and_never_again(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=4)
    left_at(sent, *[NOON] * 4)
    # Left, but reports may come: for these it is read.
    assert [surveyed(browser, sent, NOON + n * SECOND, follows=False) for n in (0, 1)] == [("100", 1)] * 2
    arrive(*(about(message, "delivered") for message in sent.messages.all()), now=NOON)
    assert surveyed(browser, sent, NOON + 9 * SECOND, follows=True) == ("100", 1)
    assert surveyed(browser, sent, NOON + 9 * SECOND, follows=True) == ("100", 0)
    assert surveyed(browser, sent, NOON + 48 * 60 * MINUTE, follows=False) == ("100", 0)
    assert counted(sent, NOON + 48 * 60 * MINUTE) == {"delivered": 4}


@pytest.mark.usefixtures("shared")
def test_what_is_kept_of_a_submission_is_no_other_ones(account: Account) -> None:
    # A browser may give the same key in two accounts, which have not heard of each other.
    key = uuid.uuid4()
    stranger = factories.account(name="Lagon", millis=1_000_000)
    theirs = factories.submission(stranger, to=4, request_key=key)
    services.cancel_submission(theirs, by=None, now=NOON)
    assert counted(theirs) == {"cancelled": 4}
    sent = factories.submission(account, to=5, request_key=key)
    assert counted(sent) == {"scheduled": 5}
    assert {one.state: one.total for one in progress(sent, now=NOON, follows=True).counts} == {"scheduled": 5}
    # A database that was restored gives the id of one that had ended to another.
    services.cancel_submission(sent, by=None, now=NOON)
    assert counted(sent) == {"cancelled": 5}
    asked = []
    for _again in range(2):
        with CaptureQueriesContext(connection) as caught:
            of(sent)
        asked.append(len(caught))
        Submission.objects.filter(pk=sent.pk).update(request_key=uuid.uuid4())
    assert asked == [1, 2]


def test_a_small_submission_is_always_read(account: Account, browser: Client) -> None:
    sent = factories.submission(account, to=3)
    assert [surveyed(browser, sent, NOON, follows=follows)[1] for follows in (False, True, True)] == [1, 1, 1]


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
        dispatch_due(clock=at(NOON))
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
