"""One click, one submission, however often and however simultaneously it is clicked."""

import socket
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compose.models import Message, Submission
from compose.planning import Refused, plan
from compose.services import AlreadySent, submit
from credits import ledger
from credits.ledger import NotEnoughCredit
from credits.models import Account
from senders import services as sender_services
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
from tests.pages import browser_of
from tests.threads import at_once


@pytest.fixture
def account(db: None) -> Account:
    """An account with 100 credits."""
    return factories.account()


def test_the_same_draft_with_the_same_key_is_sent_once(account: Account) -> None:
    draft = factories.draft(account)
    first, new = submit(draft, now=NOON)
    again, newer = submit(draft, now=NOON + timedelta(seconds=2))
    assert (new, newer, again) == (True, False, first)
    assert Message.objects.count() == 1
    assert_ledger_adds_up()


def test_the_second_click_is_answered_after_the_moment_has_come_and_the_credits_are_gone(account: Account) -> None:
    draft = factories.draft(account, to=100, deferred_to=NOON + timedelta(hours=1))
    first, _new = submit(draft, now=NOON)
    assert submit(draft, now=NOON + timedelta(hours=2)) == (first, False)


@pytest.mark.parametrize("to", [60, 101], ids=["few", "many"])
def test_the_second_click_is_answered_when_the_credits_would_not_suffice_for_it(account: Account, to: int) -> None:
    ledger.top_up(account, 10_000, key="more", cause=("test", "more"))
    draft = factories.draft(account, to=to)
    first, _new = submit(draft, now=NOON)
    assert submit(draft, now=NOON) == (first, False)
    assert submit(draft, now=NOON, planned=plan(draft, now=NOON)) == (first, False)
    assert Message.objects.count() == to
    with pytest.raises(AlreadySent):
        submit(replace(draft, body="Bonsoir"), now=NOON)
    with pytest.raises(NotEnoughCredit):
        submit(replace(draft, request_key=uuid.uuid4()), now=NOON)
    assert_ledger_adds_up()


def test_the_second_click_of_what_was_planned_is_answered_after_its_moment_and_without_its_sender(
    account: Account,
) -> None:
    draft = factories.draft(account, deferred_to=NOON + timedelta(hours=1))
    planned = plan(draft, now=NOON)
    first, _new = submit(draft, now=NOON, planned=planned)
    sender_services.disable(draft.sender, by=None)
    assert submit(draft, now=NOON + timedelta(hours=2), planned=planned) == (first, False)
    with pytest.raises(Refused):
        submit(replace(draft, request_key=uuid.uuid4()), now=NOON + timedelta(hours=2))


def test_the_second_click_is_one_question_and_no_error_that_has_the_text_in_the_log_of_the_database(
    account: Account,
) -> None:
    draft = factories.draft(account, body="The code is 4711", to=30)
    with CaptureQueriesContext(connection) as first:
        submit(draft, now=NOON)
    with CaptureQueriesContext(connection) as second:
        assert not submit(draft, now=NOON)[1]
    assert any(draft.body in query["sql"] for query in first)
    (asked,) = [query["sql"] for query in second]
    assert asked.startswith("SELECT")
    assert draft.body not in asked


@pytest.mark.parametrize(
    "other",
    [{"body": "Bonsoir"}, {"to": "0612345679"}, {"commercial": True}, {"message_class": "flash"}],
    ids=["text", "recipient", "commercial", "class"],
)
def test_the_same_key_for_another_draft_says_so_and_sends_nothing(account: Account, other: dict[str, Any]) -> None:
    key = uuid.uuid4()
    first = factories.submission(account, request_key=key)
    with pytest.raises(AlreadySent) as refused:
        factories.submission(account, request_key=key, **other)
    assert refused.value.submission == first
    assert Submission.objects.count() == 1
    assert_ledger_adds_up()


def test_the_key_of_another_account_is_no_key_of_ours(account: Account) -> None:
    key = uuid.uuid4()
    factories.submission(account, request_key=key)
    factories.submission(factories.account(), request_key=key)
    assert Submission.objects.count() == 2


def test_a_submission_tells_the_workers_once_it_is_committed(
    account: Account, redis_client: redis.Redis, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        factories.submission(account)
        assert redis_client.llen("interactive") == 0
    assert redis_client.llen("interactive") == 1


def test_a_submission_is_kept_when_the_broker_does_not_answer(
    account: Account,
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody_listens = Celery("nobody", broker="redis+socket:///nonexistent/broker.sock", set_as_current=False)
    monkeypatch.setattr("compose.nudges.current_app", nobody_listens)
    with django_capture_on_commit_callbacks(execute=True):
        factories.submission(account)
    assert "The broker does not answer" in caplog.text
    with scripted_gateway():
        assert dispatch_due(clock=at(NOON)) == 1


def test_a_submission_is_kept_when_the_broker_takes_the_call_and_says_nothing(
    account: Account,
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert 0 < settings.CELERY_BROKER_TRANSPORT_OPTIONS["socket_timeout"] <= 10
    patient = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"socket_timeout": 0.1}
    mute = Celery("mute", broker=f"redis+socket://{tmp_path}/s", set_as_current=False, broker_transport_options=patient)
    monkeypatch.setattr("compose.nudges.current_app", mute)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with django_capture_on_commit_callbacks(execute=True):
            factories.submission(account)
    assert "The broker does not answer" in caplog.text
    assert Submission.objects.count() == 1


def test_two_clicks_at_the_same_time_send_once(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    draft = factories.draft(account)
    results = at_once([lambda: submit(draft, now=NOON)] * 6)
    assert sorted(new for _submission, new in results) == [False] * 5 + [True]
    assert len({submission.pk for submission, _new in results}) == 1
    assert balances(account)["held"] == 1_000
    assert_ledger_adds_up()


def test_two_drafts_with_one_key_at_the_same_time_send_one_and_refuse_the_other(fresh_database: FreshDatabase) -> None:
    account = factories.account()
    key = uuid.uuid4()
    drafts = [factories.draft(account, body=body, request_key=key) for body in ("Bonjour", "Bonsoir")]
    results = at_once([lambda draft=draft: submit(draft, now=NOON) for draft in drafts])  # type: ignore[misc]
    assert sorted(isinstance(result, AlreadySent) for result in results) == [False, True]
    assert Submission.objects.count() == 1
    assert_ledger_adds_up()


def test_a_click_costs_about_a_dozen_statements_and_asks_the_table_of_submissions_once(
    account: Account, redis_client: redis.Redis
) -> None:
    sender, browser = factories.sender(account), browser_of(factories.owner(account))

    def click(key: uuid.UUID) -> list[str]:
        fields = {"sender": sender.pk, "recipients": "06 12 34 56 78", "text": "Bonjour", "request_key": key}
        with CaptureQueriesContext(connection) as asked:
            answer = browser.post("/", {**fields, "not_commercial": "on", "when": "now", "action": "send"})
        assert answer.status_code == 302
        statements: list[str] = [query["sql"].strip() for query in asked]
        return [sql for sql in statements if sql.startswith(("SELECT", "INSERT", "UPDATE", "WITH"))]

    def of_submissions(statements: list[str]) -> int:
        return sum(sql.startswith("SELECT") and "compose_submission" in sql for sql in statements)

    click(uuid.uuid4())
    key = uuid.uuid4()
    first, second = click(key), click(key)
    assert len(first) <= 13
    assert (of_submissions(first), of_submissions(second)) == (1, 1)
    assert Submission.objects.count() == 2
