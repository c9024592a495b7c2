"""What /metrics says: to whom, from which rows, and that no answer of a gateway is counted twice or lost."""

import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from compose import backlog, breakers, tallies
from compose.breakers import LONGEST_REST, WHILE_GATEWAY_PAUSED
from compose.failover import LONGEST_RETRY
from compose.gateways.base import (
    Accepted,
    GatewayError,
    InvalidRecipient,
    NotSent,
    Outcome,
    OutcomeUnknown,
    Outgoing,
    Rejected,
    Throttled,
)
from compose.models import GatewayEvent, GatewayState, Message, Tally
from compose.originators import WAIT_FOR_NUMBER
from compose.queues import Queue
from compose.reasons import SENTENCES
from credits.models import Account
from smsmanager import checks, metrics, readiness
from smsmanager.models import Heartbeat
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, at
from tests.fixtures.databases import FreshDatabase
from tests.gateways_for_tests import ScriptedGateway, answering, scripted_gateway, scripted_gateways, take_all
from tests.threads import at_once

TOKEN = "a-token-that-a-machine-made-0123456789"
DOCS = Path(settings.BASE_DIR) / "docs" / "prometheus"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def token(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "fresh_database" not in request.fixturenames:
        # Another thread, in a connection of its own, sees nothing of the transaction of a test.
        monkeypatch.setattr(metrics, "in_time", lambda: metrics.text())
    with override_settings(SMS_METRICS_TOKEN=TOKEN), time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as made:
        yield made


def scrape() -> Samples:
    """Every sample of the page: (name, labels) -> value."""
    answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in answer.headers["Cache-Control"]
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def of(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


def seen() -> None:
    """Beat and a worker were here just now."""
    readiness.note(Heartbeat.BEAT)
    readiness.note(Heartbeat.WORKER)


# Who may read them


@pytest.mark.django_db
@pytest.mark.parametrize("said", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é€"])
def test_without_the_token_there_are_no_metrics(said: str | None) -> None:
    headers = {} if said is None else {"authorization": said}
    with CaptureQueriesContext(connection) as queries:
        answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
    assert b"smsmanager_" not in answer.content
    assert len(queries) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("said", [f"Bearer {TOKEN}", "Bearer ", None])
def test_where_no_token_is_set_there_is_no_such_page(said: str | None) -> None:
    with override_settings(SMS_METRICS_TOKEN=""):
        answer = Client().get("/metrics", headers={"authorization": said} if said else {})
    assert answer.status_code == 404
    assert TOKEN not in answer.content.decode()


@pytest.mark.django_db
def test_the_scheme_is_a_word_in_any_case_and_the_host_must_be_allowed() -> None:
    assert Client().get("/metrics", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200
    said = {"authorization": f"Bearer {TOKEN}", "host": "evil.example"}
    assert Client().get("/metrics", headers=said).status_code == 400
    assert Client().post("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 405


@pytest.mark.django_db
def test_a_token_never_travels_in_the_clear_by_the_answer_to_a_plain_request() -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("https://")


def test_a_token_that_could_be_guessed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(EMBEDDED=False):
        assert "smsmanager.E008" not in {problem.id for problem in checks.production_is_safe()}
        with override_settings(SMS_METRICS_TOKEN="short"):
            (problem,) = (one for one in checks.production_is_safe() if one.id == "smsmanager.E008")
    assert "SMSMANAGER_METRICS_TOKEN" in problem.msg
    assert "short," not in problem.msg


@pytest.mark.django_db
def test_without_the_database_there_is_a_sentence_and_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> bytes:
        raise OperationalError("could not connect to server db.internal")

    monkeypatch.setattr(metrics, "text", away)
    answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 503
    assert answer.content == b"The database does not answer.\n"


def test_a_database_that_takes_the_connection_and_says_nothing_holds_nobody_up(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over() -> None:
        deadline = time.monotonic() + 30
        while any(thread.name == "readiness" for thread in threading.enumerate()):
            assert time.monotonic() < deadline, "a thread still asks"
            time.sleep(0.02)

    gate, asked = threading.Event(), []
    answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200

    def hangs() -> bytes:
        asked.append(threading.current_thread())
        gate.wait(30)
        return b""

    with monkeypatch.context() as hanging, time_machine.travel(NOON, tick=True):
        hanging.setattr(metrics, "text", hangs)
        hanging.setattr(metrics, "SECONDS", 0.5)
        try:
            for _time in range(2):
                answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
                assert answer.status_code == 503
                assert answer.content.startswith(b"The database did not answer within ")
                assert answer.headers["Content-Type"] == "text/plain"
            # Nobody else waits with it, and Prometheus waits longer than we do.
            assert len(asked) == 1
            assert asked[0] is not threading.current_thread()
        finally:
            gate.set()
            over()
    assert metrics.SECONDS < 10
    assert of(scrape(), "smsmanager_oldest_due_seconds") == 0


# What the gateways said


def test_answers_are_counted_by_gateway_and_outcome(account: Account, gateway: ScriptedGateway) -> None:
    factories.submission(account, to=6)
    outcomes: list[Any] = [
        Accepted("a"),
        Accepted("b"),
        Rejected("no", reason="spam"),
        InvalidRecipient("no"),
        Throttled("slow"),
        OutcomeUnknown("?"),
    ]
    gateway.script = answering(*outcomes)
    dispatch_due(clock=at(NOON))
    found = scrape()
    said = {
        labels: value
        for (name, labels), value in found.items()
        if name == "smsmanager_sends_total" and dict(labels)["gateway"] == "default"
    }
    assert {dict(labels)["outcome"]: value for labels, value in said.items() if value} == {
        "accepted": 2,
        "rejected": 1,
        "invalid_recipient": 1,
        "throttled": 1,
        "outcome_unknown": 1,
    }
    # What returned to the queue is not settled yet.
    assert of(found, "smsmanager_settle_seconds_count", gateway="default") == 5
    assert of(found, "smsmanager_unconfirmed_messages", gateway="default") == 1


def test_each_outcome_of_each_gateway_is_said_before_it_happens_for_the_first_time(db: None) -> None:
    with scripted_gateways(one={}, two={}):
        found = scrape()
        tallies.settled("gone-from-the-file", [(Accepted("a"), NOON)], now=NOON)
        later = scrape()
    said = {
        (dict(labels)["gateway"], dict(labels)["outcome"]): value
        for (name, labels), value in found.items()
        if name == "smsmanager_sends_total"
    }
    assert said == {(gateway, word): 0 for gateway in ("one", "two") for word in tallies.WORDS}
    # What was counted stays, whatever becomes of its gateway.
    assert of(later, "smsmanager_sends_total", gateway="gone-from-the-file", outcome="accepted") == 1
    assert of(later, "smsmanager_sends_total", gateway="one", outcome="accepted") == 0


def test_whatever_reason_a_vendor_adds_there_are_as_many_outcomes_as_kinds() -> None:
    class Moody(NotSent):
        reason = "mood"

    assert tallies.word(Moody()) == "gateway_unreachable"
    assert tallies.word(Rejected(reason="spam")) == "rejected"
    assert tallies.word(GatewayError(reason="anything at all")) == "unknown"


def test_the_time_to_settlement_falls_into_its_bucket_and_into_the_sum(
    account: Account, gateway: ScriptedGateway
) -> None:
    now = NOON

    def slowly(chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        nonlocal now
        now += timedelta(seconds=3)
        return take_all(chunk)

    gateway.script = slowly
    factories.submission(account, to=2)
    dispatch_due(clock=lambda: now)
    found = scrape()
    assert of(found, "smsmanager_settle_seconds_sum", gateway="default") == 6.0
    buckets = [
        (float(dict(labels)["le"]), value)
        for (name, labels), value in found.items()
        if name == "smsmanager_settle_seconds_bucket"
    ]
    assert sorted(buckets) == [(bound, 2.0 if bound >= 5 else 0.0) for bound in (*tallies.BOUNDS, float("inf"))]


def test_a_chunk_that_is_settled_again_is_counted_once(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.message(account)
    real, failures = tallies.settled, iter([True, False])

    def fails_once(*given: Any, **named: Any) -> None:
        real(*given, **named)
        if next(failures):
            raise OperationalError("the database went away before the commit")

    monkeypatch.setattr(tallies, "settled", fails_once)
    dispatch_due(clock=at(NOON))
    assert of(scrape(), "smsmanager_sends_total", gateway="default", outcome="accepted") == 1


def test_processes_that_count_at_the_same_time_lose_nothing(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> None:
        for number in range(10):
            tallies.settled("one", [(Accepted("a"), NOON), (Rejected("b"), NOON)], now=NOON + timedelta(seconds=number))

    at_once([count] * 4)
    # Another process, whose rows are others.
    other = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: other)
    count()
    assert Tally.objects.values("slot").distinct().count() == 2
    found = scrape()
    assert of(found, "smsmanager_sends_total", gateway="one", outcome="accepted") == 50
    assert of(found, "smsmanager_settle_seconds_count", gateway="one") == 100
    assert of(found, "smsmanager_settle_seconds_sum", gateway="one") == 2.0 * 5 * sum(range(10))


def test_a_clock_that_went_back_counts_nothing_below_zero(db: None) -> None:
    tallies.settled("one", [(Accepted("a"), NOON)], now=NOON - timedelta(hours=1))
    assert of(scrape(), "smsmanager_settle_seconds_sum", gateway="one") == 0


# What waits


def test_what_waits_is_said_by_gateway(account: Account, gateway: ScriptedGateway) -> None:
    factories.submission(account, to=3)
    factories.message(account, to="06 99 99 99 99", deferred_to=NOON + timedelta(days=1))
    with time_machine.travel(NOON + timedelta(seconds=90), tick=False):
        found = scrape()
    assert of(found, "smsmanager_due_messages", gateway="default", lane="interactive") == 3
    assert of(found, "smsmanager_due_messages", gateway="default", lane="bulk") == 0
    assert of(found, "smsmanager_oldest_due_seconds") == 90
    assert of(found, "smsmanager_sending_messages", gateway="default") == 0
    assert of(found, "smsmanager_events_waiting", gateway="default") == 0
    assert of(found, "smsmanager_beat_seconds") is None
    assert of(found, "smsmanager_worker_seconds") is None
    dispatch_due(clock=at(NOON))
    GatewayEvent.objects.create(gateway="default", key="k", kind="report", payload={}, look_at=NOON)
    seen()
    with time_machine.travel(NOON + timedelta(seconds=5), tick=False):
        found = scrape()
    assert of(found, "smsmanager_due_messages", gateway="default", lane="interactive") == 0
    assert of(found, "smsmanager_oldest_due_seconds") == 0
    assert of(found, "smsmanager_events_waiting", gateway="default") == 1
    assert of(found, "smsmanager_beat_seconds") == 5
    assert of(found, "smsmanager_worker_seconds") == 5


def held_back(samples: Samples) -> dict[tuple[str, str], float]:
    """What is held back, by gateway and reason, without the zeros."""
    return {
        (dict(labels)["gateway"], dict(labels)["reason"]): value
        for (name, labels), value in samples.items()
        if name == "smsmanager_held_back_messages" and value
    }


def test_what_a_paused_gateway_holds_back_is_said_though_it_is_not_due(
    account: Account, gateway: ScriptedGateway
) -> None:
    factories.submission(account, to=3)
    factories.message(account, to="06 99 99 99 99", deferred_to=NOON + timedelta(minutes=18))
    breakers.pause("default", by=None, reason="tests")
    assert held_back(scrape()) == {}
    dispatch_due(clock=at(NOON))
    with time_machine.travel(NOON + timedelta(minutes=3), tick=False):
        found = scrape()
    assert of(found, "smsmanager_due_messages", gateway="default", lane="interactive") == 0
    assert of(found, "smsmanager_oldest_due_seconds") == 0
    assert held_back(found) == {("default", "gateway_paused"): 3}
    assert of(found, "smsmanager_oldest_held_back_seconds", gateway="default") == 180
    # Looked at again and again, for as long as it takes.
    for minutes in (6, 12, 16):
        dispatch_due(clock=at(NOON + timedelta(minutes=minutes)))
    with time_machine.travel(NOON + timedelta(minutes=17), tick=False):
        found = scrape()
    assert held_back(found) == {("default", "gateway_paused"): 3}
    assert of(found, "smsmanager_oldest_held_back_seconds", gateway="default") == 17 * 60
    breakers.resume("default")
    dispatch_due(clock=at(timezone.now() + timedelta(minutes=17)))
    with time_machine.travel(NOON + timedelta(minutes=17), tick=False):
        found = scrape()
    assert held_back(found) == {}
    assert of(found, "smsmanager_oldest_held_back_seconds", gateway="default") == 0
    assert of(found, "smsmanager_held_back_messages", gateway="default", reason="gateway_paused") == 0


@pytest.mark.parametrize(
    ("error", "reason"), [(NotSent("refused"), "gateway_unreachable"), (Throttled("slow"), "throttled")]
)
def test_what_a_gateway_did_not_take_is_held_back_for_its_reason(
    account: Account, gateway: ScriptedGateway, error: NotSent, reason: str
) -> None:
    factories.submission(account, to=2)
    gateway.script = answering(error, error)
    dispatch_due(clock=at(NOON))
    assert held_back(scrape()) == {("default", reason): 2}


def test_a_message_without_a_free_short_number_is_held_back(account: Account, gateway: ScriptedGateway) -> None:
    message = factories.message(account)
    type(message).objects.filter(pk=message.pk).update(
        reason="no_short_number", due_at=NOON + WAIT_FOR_NUMBER, bulk=True
    )
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        found = scrape()
    assert held_back(found) == {("default", "no_short_number"): 1}
    assert of(found, "smsmanager_oldest_held_back_seconds", gateway="default") == 60


def test_every_reason_for_which_a_breaker_holds_back_is_one_that_is_counted() -> None:
    assert {*breakers.BODIES, "gateway_paused", "gateway_unreachable"} <= set(backlog.HOLDS_BACK)
    assert set(backlog.HOLDS_BACK) <= set(SENTENCES)
    longest = max(WHILE_GATEWAY_PAUSED, WAIT_FOR_NUMBER, timedelta(seconds=max(LONGEST_REST, 1.2 * LONGEST_RETRY)))
    assert longest < backlog.LOOKED_AT_AGAIN


def test_what_a_gateway_is_is_one_of_four_things(account: Account, gateway: ScriptedGateway) -> None:
    def conditions() -> list[str]:
        return [
            dict(labels)["condition"]
            for (name, labels), value in scrape().items()
            if name == "smsmanager_gateway_condition" and value == 1 and dict(labels)["gateway"] == "default"
        ]

    assert conditions() == ["closed"]
    GatewayState.objects.create(name="default", state="open", try_at=NOON)
    GatewayState.objects.create(name="gone-from-the-file", state="open", try_at=NOON)
    assert conditions() == ["open"]
    breakers.pause("default", by=None, reason="tests")
    assert conditions() == ["paused"]
    assert {dict(labels)["gateway"] for (name, labels) in scrape() if name == "smsmanager_gateway_condition"} == {
        "default"
    }


# What it costs


def test_however_much_there_is_the_number_of_queries_is_the_same(account: Account, gateway: ScriptedGateway) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            metrics.text()
        return len(queries)

    first = cost()
    factories.submission(account, to=40)
    factories.submission(account, to=40, body="Bonsoir")
    gateway.script = answering(*[Accepted(str(number)) for number in range(40)])
    dispatch_due(clock=at(NOON), most=1)
    seen()
    assert cost() == first
    assert first <= 9


def test_counting_stops_at_its_bound(
    account: Account, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.submission(account, to=7)
    assert backlog.due(NOON) == {Queue("default", bulk=False): 7}
    monkeypatch.setattr(backlog, "MOST", 5)
    assert backlog.due(NOON) == {Queue("default", bulk=False): 5}
    Message.objects.update(reason="gateway_paused", due_at=NOON + timedelta(minutes=5))
    assert backlog.held_back(NOON) == {("default", "gateway_paused"): (5, NOON)}


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda: backlog.oldest_due(NOON), "message_due"),
        (lambda: backlog.due(NOON), "message_due"),
        (lambda: backlog.held_back(NOON), "message_due"),
        (backlog.sending, "message_leased"),
        (backlog.unconfirmed, "message_unconfirmed"),
        (backlog.events, "gateway_event_waiting"),
    ],
    ids=["oldest", "due", "held back", "sending", "unconfirmed", "events"],
)
def test_what_waits_is_read_from_its_partial_index_and_not_from_the_table(
    account: Account, ask: Any, index: str
) -> None:
    # With no rows and no figures about them, one index is as good as another for the planner.
    submission = factories.submission(factories.account(name="Grande", millis=10**9), to=2000)
    submission.messages.exclude(pk__in=submission.messages.order_by("pk").values("pk")[:100]).update(
        send_at=NOON + timedelta(days=7), due_at=NOON + timedelta(days=7)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        ask()
    (asked,) = (one["sql"] for one in queries)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # There are few rows all the same: this leaves it no choice but an index.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {asked}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert re.search(rf"\b{index}\b", plan), plan
    assert "Seq Scan" not in plan
    # The index gives the order too: nothing is sorted before the bound is reached.
    assert "Sort" not in plan.partition("Limit")[2], plan
    assert "FOR ORDER BY" not in plan


# The samples in docs/prometheus/


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bsmsmanager_[a-z_]+", text))


def test_the_sample_of_prometheus_asks_for_this_page_with_a_token() -> None:
    document = yaml.safe_load((DOCS / "prometheus.yml").read_text())
    (job,) = document["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["scheme"] == "https"
    assert job["authorization"]["type"] == "Bearer"
    assert set(job["authorization"]) == {"type", "credentials_file"}
    assert document["rule_files"] == ["alerts.yml"]
    assert job["static_configs"][0]["targets"] == ["sms.example.org"]


def test_the_sample_alerts_are_rules_about_metrics_that_exist(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account)
    dispatch_due(clock=at(NOON))
    seen()
    existing = {name for name, _labels in scrape()}
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    assert len(group["rules"]) >= 3
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert names_in(rule["expr"])
        assert names_in(rule["expr"]) <= existing, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        for conditions in re.findall(r'condition=~?"([\w|]+)"', rule["expr"]):
            assert set(conditions.split("|")) <= set(backlog.CONDITIONS)
        for lane in re.findall(r'lane="(\w+)"', rule["expr"]):
            assert lane in {"bulk", "interactive"}
        for outcome in re.findall(r'outcome="(\w+)"', rule["expr"]):
            assert outcome in {tallies.ACCEPTED, *tallies.WORDS}


def test_workers_are_an_alert_of_their_own_while_beat_is_there_and_also_where_none_was_ever_seen() -> None:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    expressions = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    longest, beat = settings.SMS_READY_WORKER_SECONDS, settings.SMS_READY_BEAT_SECONDS
    assert longest == 5 * settings.SMS_LEASE_SECONDS == settings.CELERY_TASK_SOFT_TIME_LIMIT
    assert expressions["BeatNotSeen"].startswith(f"smsmanager_beat_seconds > {beat} or ")
    halves = [
        f"({condition} and on() smsmanager_beat_seconds < {beat})"
        for condition in (f"smsmanager_worker_seconds > {longest}", "absent(smsmanager_worker_seconds)")
    ]
    assert expressions["WorkersNotSeen"] == " or ".join(halves)
    runbook = (DOCS.parent / "operations.md").read_text()
    assert f"({longest} s; it follows `SMSMANAGER_LEASE_SECONDS`" in runbook


def test_what_comes_and_goes_with_each_try_starts_no_alert_anew_and_what_is_held_back_has_one() -> None:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    rules = {rule["alert"]: (rule["expr"], rule["for"]) for rule in group["rules"]}
    # A gateway that is tried is half open for a moment.
    tried = 'sum by (gateway) (smsmanager_gateway_condition{condition=~"open|half_open"}) == 1'
    assert rules["GatewayOutOfOrder"] == (tried, "10m")
    assert rules["GatewayPaused"] == ('smsmanager_gateway_condition{condition="paused"} == 1', "1h")
    assert (
        rules["GatewayHoldsBack"][0] == f"smsmanager_oldest_held_back_seconds > {settings.SMS_READY_OLDEST_DUE_SECONDS}"
    )
    assert rules["EventsWait"] == ("smsmanager_events_waiting > 100", "15m")
    # A crash is no answer of a gateway.
    assert "min_over_time(smsmanager_unconfirmed_messages[15m])" in rules["MessagesInDoubt"][0]
    bulk, _for = rules["BulkLaneStandsStill"]
    assert set(re.findall(r"(?:<|>=) (\d{4,})", bulk)) == {str(backlog.MOST)}
    assert bulk.endswith(
        f"and on() smsmanager_beat_seconds < {settings.SMS_READY_BEAT_SECONDS} "
        f"and on() smsmanager_worker_seconds < {settings.SMS_READY_WORKER_SECONDS}"
    )


def test_the_documentation_names_the_words_of_the_labels() -> None:
    rows = (DOCS.parent / "operations.md").read_text().splitlines()

    def words(metric: str) -> set[str]:
        (row,) = (row for row in rows if row.startswith(f"| `{metric}` |"))
        return set(re.findall(r"`(\w+)`", row)) - {metric}

    assert words("smsmanager_held_back_messages") == set(backlog.HOLDS_BACK)
    assert words("smsmanager_sends_total") == set(tallies.WORDS)


def test_every_metric_stands_in_the_documentation_and_no_other(account: Account, gateway: ScriptedGateway) -> None:
    factories.message(account)
    dispatch_due(clock=at(NOON))
    seen()
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(metrics.text().decode())
    }
    assert names_in((DOCS.parent / "operations.md").read_text()) == families
