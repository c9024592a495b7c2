"""A submission is paused and resumed: what waits is held back, and nothing of it is lost or late for good."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compose import claims, dispatch, doubts, nudges, queries, scheduled, services
from compose.gateways.base import NotSent, OutcomeUnknown
from compose.models import Message, Submission
from credits.models import Account, Member
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import FULL, NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import raising, scripted_gateway, take_all
from tests.pages import browser_of, read, sentence

State = Message.State
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LATER = NOON + timedelta(days=7)


@pytest.fixture(autouse=True)
def noon(db: None) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account() -> Account:
    return factories.account()


@pytest.fixture
def browser(account: Account) -> Client:
    return browser_of(factories.owner(account))


def pause(submission: Submission) -> int:
    return scheduled.pause(submission, by=factories.owner(submission.account), now=NOON)


def moments(submission: Submission) -> set[tuple[object, ...]]:
    return set(submission.messages.values_list("send_at", "due_at", "valid_until"))


def test_nothing_of_a_paused_submission_leaves_until_it_is_resumed(account: Account) -> None:
    submission = factories.submission(account, to=3)
    other = factories.submission(account, to=1, body="b")
    assert pause(submission) == 3
    with scripted_gateway() as gateway:
        assert dispatch_due(clock=at(NOON + HOUR)) == 1
        assert scheduled.resume(submission, now=NOON + HOUR) == 3
        assert dispatch_due(clock=at(NOON + HOUR)) == 3
        assert len(gateway.sent) == 4
    assert other.messages.get().state == State.ACCEPTED
    assert_ledger_adds_up()


def test_the_validity_is_longer_by_as_long_as_a_message_was_held_back(account: Account) -> None:
    """Of one whose moment comes during the pause, from then on; one whose moment comes later loses nothing."""
    valid = timedelta(hours=48)
    due, coming, later = (
        factories.submission(account, body=body, deferred_to=to)
        for body, to in (("a", None), ("b", NOON + HOUR), ("c", NOON + 5 * HOUR))
    )
    back = NOON + 3 * HOUR
    for submission in (due, coming, later):
        pause(submission)
        scheduled.resume(submission, now=back)
    assert moments(due) == {(NOON, back, back + valid)}
    assert moments(coming) == {(NOON + HOUR, back, NOON + HOUR + valid + 2 * HOUR)}
    assert moments(later) == {(NOON + 5 * HOUR, NOON + 5 * HOUR, NOON + 5 * HOUR + valid)}


def test_after_a_pause_longer_than_the_validity_it_still_leaves(account: Account) -> None:
    submission = factories.submission(account, to=2)
    pause(submission)
    with scripted_gateway() as gateway:
        scheduled.resume(submission, now=LATER)
        dispatch_due(clock=at(LATER))
        assert len(gateway.sent) == 2


def test_what_was_sent_again_during_the_pause_has_one_whole_validity_and_no_more(account: Account) -> None:
    submission = factories.submission(account, to=2)
    with scripted_gateway() as gateway:
        gateway.script = raising(OutcomeUnknown("lost"))
        dispatch_due(clock=at(NOON))
    # What is in doubt may be sent again: the submission can be paused.
    pause(submission)
    again = NOON + timedelta(days=3)
    doubts.send_again(submission.messages.values_list("pk", flat=True), by=None, now=again)
    back = NOON + timedelta(days=4, microseconds=5)
    scheduled.resume(submission, now=back)
    assert {row[1:] for row in moments(submission)} == {(back, back + timedelta(hours=48))}


def test_what_a_message_had_left_of_its_validity_is_all_that_it_has_after_a_pause(account: Account) -> None:
    submission = factories.submission(account)
    scheduled.pause(submission, by=None, now=NOON + 40 * HOUR)
    scheduled.resume(submission, now=NOON + 60 * HOUR)
    assert {row[2] for row in moments(submission)} == {NOON + 68 * HOUR}


def test_what_was_on_its_way_goes_on_and_waits_too_should_it_come_back(account: Account) -> None:
    submission = factories.submission(account, to=3)
    with scripted_gateway() as gateway:
        made, _moved = claims.claim_due(clock=at(NOON), size=1)
        assert pause(submission) == 2
        gateway.script = raising(NotSent("down"))
        dispatch.send(made, clock=at(NOON))
        gateway.script = take_all
        before = len(gateway.sent)
        dispatch_due(clock=at(NOON + 12 * HOUR))
        assert len(gateway.sent) == before
        scheduled.resume(submission, now=LATER)
        dispatch_due(clock=at(LATER + HOUR))
        assert submission.messages.filter(state=State.ACCEPTED).count() == 3


def test_what_came_back_during_the_pause_leaves_when_it_is_resumed(account: Account) -> None:
    submission = factories.submission(account, to=1)
    with scripted_gateway() as gateway:
        made, _moved = claims.claim_due(clock=at(NOON))
        pause(submission)
        # The worker stops before it speaks; the next claim sees the pause.
        dispatch._give_back(made, "", at(NOON))
        dispatch_due(clock=at(NOON + SECOND))
        assert gateway.sent == []
        scheduled.resume(submission, now=NOON + 2 * SECOND)
        dispatch_due(clock=at(NOON + 2 * SECOND))
        assert len(gateway.sent) == 1


def test_pausing_and_resuming_twice_does_it_once(account: Account) -> None:
    submission = factories.submission(account, to=2)
    colleague = factories.member(account, Member.Role.SENDER).user
    pause(submission)
    assert scheduled.pause(submission, by=colleague, now=NOON + HOUR) == 2
    submission.refresh_from_db()
    assert (submission.paused_at, submission.paused_by) == (NOON, factories.owner(account))
    assert scheduled.resume(submission, now=NOON + HOUR) == 2
    after = moments(submission)
    assert scheduled.resume(submission, now=NOON + 2 * HOUR) == 0
    assert moments(submission) == after


def test_what_has_left_altogether_is_not_paused(account: Account) -> None:
    submission = factories.submission(account)
    with scripted_gateway():
        dispatch_due(clock=at(NOON))
    assert pause(submission) == 0
    submission.refresh_from_db()
    assert submission.paused_at is None


def test_a_paused_submission_is_cancelled_moved_and_replaced(account: Account) -> None:
    cancelled, moved, old = (factories.submission(account, to=2, body=body, deferred_to=LATER) for body in "abc")
    for submission in (cancelled, moved, old):
        pause(submission)
    assert services.cancel_submission(cancelled, by=None, now=NOON) == 2
    scheduled.move(moved, to=NOON + HOUR, by=None, now=NOON)
    assert {row[:2] for row in moments(moved)} == {(NOON + HOUR, None)}
    new, _is_new = services.submit(
        factories.draft(account, body="d"), now=NOON, replaces=scheduled.Replaced(old, old.recipients)
    )
    with scripted_gateway() as gateway:
        dispatch_due(clock=at(NOON + 2 * HOUR))
        assert [one.text for one in gateway.sent] == ["d"]
    assert new.paused_at is None
    assert_ledger_adds_up()


def test_resuming_tells_the_lane(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = factories.submission(account)
    pause(submission)
    told: list[str] = []
    monkeypatch.setattr(nudges, "after_commit", told.append)
    scheduled.resume(submission, now=NOON)
    assert told == ["compose.tasks.dispatch_due"]


def test_pausing_and_resuming_take_as_many_queries_for_many_as_for_few(account: Account) -> None:
    counted = []
    for count in (3, 40):
        submission = factories.submission(account, to=count)
        with CaptureQueriesContext(connection) as queries:
            pause(submission)
            scheduled.resume(submission, now=NOON + HOUR)
            services.cancel_submission(submission, by=None, now=NOON + HOUR)
        counted.append(len(queries))
    assert counted[0] == counted[1]
    assert balances(account) == FULL


# The page


def test_the_page_pauses_says_who_and_since_when_and_resumes(account: Account, browser: Client) -> None:
    submission = factories.submission(account, to=2)
    address = reverse("submission", args=[submission.pk])
    assert read(browser.get(address)).one(id="pause-button").text == "Pause"
    paused = read(browser.post(reverse("pause_submission", args=[submission.pk]), follow=True))
    assert "2 messages wait until it is resumed" in sentence(paused)
    name = factories.owner(account).username
    assert f"Paused since 24 November at 12:00 by {name}." in sentence(paused)
    assert "goes on leaving" in sentence(paused)
    # A page that follows asks on, without a moment to expect.
    for page in (address, reverse("message", args=[submission.messages.all()[0].pk]), reverse("sent")):
        shown = browser.get(page)
        assert shown.status_code == 200
    assert paused.one(id="pause-button").text == "Resume"
    resumed = read(browser.post(reverse("resume_submission", args=[submission.pk]), follow=True))
    assert "The sending goes on." in sentence(resumed)
    assert not resumed.one(id="paused").text
    assert {row[1] for row in moments(submission)} == {NOON}


def test_where_nothing_is_held_back_any_more_resuming_says_so(account: Account, browser: Client) -> None:
    # In another tab it was resumed, or all of it cancelled.
    resumed, cancelled = factories.submission(account, to=2), factories.submission(account, to=2)
    for submission in (resumed, cancelled):
        pause(submission)
    scheduled.resume(resumed, now=NOON)
    services.cancel_submission(cancelled, by=None, now=NOON)
    for submission in (resumed, cancelled):
        page = read(browser.post(reverse("resume_submission", args=[submission.pk]), follow=True))
        assert "Nothing is held back here: no message was waiting for the sending to go on." in sentence(page)
        assert "The sending goes on." not in sentence(page)


def test_the_page_of_its_message_says_that_it_is_paused_and_resumes_it(account: Account, browser: Client) -> None:
    message = factories.message(account, deferred_to=LATER)
    pause(message.submission)
    page = read(browser.get(reverse("message", args=[message.pk])))
    assert "Paused since" in sentence(page)
    assert page.form(reverse("resume_submission", args=[message.submission_id])).names == []
    rows = read(browser.get(reverse("scheduled"))).one("tbody").text
    assert "Paused" in rows


def test_where_nothing_waits_there_is_nothing_to_pause(account: Account, browser: Client) -> None:
    submission = factories.submission(account)
    with scripted_gateway():
        dispatch_due(clock=at(NOON))
    page = read(browser.get(reverse("submission", args=[submission.pk])))
    assert not page.all(id="pause-button")
    answer = browser.post(reverse("pause_submission", args=[submission.pk]), follow=True)
    assert "No message was left to hold back." in sentence(read(answer))


def held(browser: Client) -> list[tuple[str, str]]:
    """What the page of scheduled SMS says of paused submissions, and where each line leads."""
    lines = read(browser.get(reverse("scheduled"))).one(id="held").all("li")
    return [(line.text, line.one("a").attributes["href"]) for line in lines]


def test_a_paused_submission_stands_among_the_scheduled_ones_though_its_moment_has_come(
    account: Account, browser: Client
) -> None:
    # Its messages are in no list of what leaves later, and in that of what was sent soon far below.
    submission = factories.submission(account, to=3, body="Bonjour " + "x" * 100)
    others = submission.messages.exclude(pk=submission.messages.order_by("pk")[0].pk)
    others.update(due_at=LATER)
    with scripted_gateway():
        dispatch_due(clock=at(NOON))
    others.update(due_at=NOON)
    assert held(browser) == []
    pause(submission)
    page = read(browser.get(reverse("scheduled")))
    assert "Nothing else is waiting to leave" in sentence(page)
    ((line, to),) = held(browser)
    assert line.startswith("Paused: 2 of 3 messages wait until the sending is resumed. Bonjour xxx")
    assert line.endswith("x…")
    assert to == reverse("submission", args=[submission.pk])
    # The page follows it, too.
    assert page.one(id="live").attributes["hx-select-oob"].startswith("#held,")
    assert page.one(id="live").attributes["hx-trigger"] == "every 60s"
    # Another one, none of which has left, the latest first; it is in the list besides.
    later = factories.submission(account, to=1, deferred_to=LATER)
    scheduled.pause(later, by=None, now=NOON + SECOND)
    assert [line.partition(". ")[0] for line, _to in held(browser)] == [
        "Paused: 1 message waits until the sending is resumed",
        "Paused: 2 of 3 messages wait until the sending is resumed",
    ]
    assert "Nothing else" not in sentence(read(browser.get(reverse("scheduled"))))
    # Readers see it; another account does not.
    assert len(held(browser_of(factories.member(account, Member.Role.READER).user))) == 2
    assert held(browser_of(factories.owner(factories.account(name="Clinique du Parc")))) == []
    scheduled.resume(submission, now=NOON)
    services.cancel_submission(later, by=None, now=NOON)
    assert held(browser) == []


def test_of_many_paused_submissions_the_latest_are_named_and_they_cost_as_many_queries_as_one(
    account: Account, browser: Client
) -> None:
    costs = []
    for number in range(queries.MOST_PAUSED + 2):
        scheduled.pause(factories.submission(account, to=2), by=None, now=NOON + number * SECOND)
        with CaptureQueriesContext(connection) as caught:
            assert len(held(browser)) == min(number + 1, queries.MOST_PAUSED)
        costs.append(len(caught))
    assert costs[0] == costs[-1]
    latest = Submission.objects.order_by("-paused_at")[0]
    assert held(browser)[0][1] == reverse("submission", args=[latest.pk])
