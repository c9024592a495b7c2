"""One click, one submission, however often and however simultaneously it is clicked."""

import socket
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings

from compose import dispatch
from compose.models import Message, Submission
from compose.services import AlreadySent, submit
from credits.models import Account
from tests import factories
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import scripted_gateway
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
        assert dispatch.dispatch_due(clock=at(NOON)) == 1


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
