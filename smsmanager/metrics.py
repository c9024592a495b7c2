"""The metrics in the text format of Prometheus, read from the database at the moment somebody asks (docs/adr/0012).

They belong to the installation and not to a process: whichever web process answers says the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from django.db.models import Sum
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from compose import backlog, routing, tallies
from compose.models import Tally
from compose.queues import Queue
from smsmanager.models import Heartbeat
from smsmanager.readiness import Patient, in_own_connection

CONTENT_TYPE = CONTENT_TYPE_LATEST


# So long /metrics takes at the most, in seconds: less than Prometheus waits, which is ten unless it is told otherwise.
SECONDS = 8.0


def in_time() -> bytes:
    """All metrics, as `text`, in a connection of their own. Raises TimeoutError when they are not there in SECONDS.

    A database that takes connections and says nothing holds up no thread of the web server for longer, and only one of
    ours: whoever asks meanwhile waits for the same answer.
    """
    return _question.hear()


def text() -> bytes:
    """All metrics; the number of queries is always the same. Raises django.db.Error without the database."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now())
    return generate_latest(registry)


class _Now:
    """What prometheus_client calls a collector."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield _due(now)
        yield _age("smsmanager_oldest_due_seconds", "For how long the oldest due message has been due.", now)
        yield from _held_back(now)
        yield _by_gateway(
            "smsmanager_sending_messages", "Messages that a worker has claimed and not settled yet.", backlog.sending()
        )
        yield _by_gateway(
            "smsmanager_unconfirmed_messages",
            "Messages that may have left, of which nobody has said so yet.",
            backlog.unconfirmed(),
        )
        yield _by_gateway(
            "smsmanager_events_waiting", "Stored reports and received messages not applied yet.", backlog.events()
        )
        yield _conditions()
        yield from _seen(now)
        yield from _tallies()


def _due(now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "smsmanager_due_messages",
        "Messages that are due and wait, by the gateway in whose queue they wait (empty: none chosen yet) and by lane. "
        f"Each is counted up to {backlog.MOST}.",
        labels=["gateway", "lane"],
    )
    every = {Queue(gateway, bulk): 0 for gateway in routing.names() for bulk in (False, True)}
    for queue, value in sorted((every | backlog.due(now)).items()):
        family.add_metric([queue.gateway, queue.lane], value)
    return family


def _held_back(now: datetime) -> Iterable[Metric]:
    many = GaugeMetricFamily(
        "smsmanager_held_back_messages",
        "Messages that were to leave and wait because their gateway takes none, or because no short number is free; "
        "they are not due.",
        labels=["gateway", "reason"],
    )
    oldest = GaugeMetricFamily(
        "smsmanager_oldest_held_back_seconds",
        "How long ago the first of them was to leave.",
        labels=["gateway"],
    )
    found = backlog.held_back(now)
    ages = dict.fromkeys(routing.names(), 0.0)
    counts = {(gateway, reason): 0 for gateway in routing.names() for reason in backlog.HOLDS_BACK}
    for (gateway, reason), held in found.items():
        counts[gateway, reason] = held.many
        ages[gateway] = max(ages.get(gateway, 0.0), (now - held.since).total_seconds())
    for key, value in sorted(counts.items()):
        many.add_metric(key, value)
    for gateway, seconds in sorted(ages.items()):
        oldest.add_metric([gateway], seconds)
    return many, oldest


def _by_gateway(name: str, help_text: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["gateway"])
    # A gateway of which nothing waits says 0: a series that comes and goes makes alerts blind.
    for gateway, value in sorted((dict.fromkeys(routing.names(), 0) | dict(values)).items()):
        family.add_metric([gateway], value)
    return family


def _age(name: str, help_text: str, now: datetime) -> Metric:
    since = backlog.oldest_due(now)
    return GaugeMetricFamily(name, help_text, value=(now - since).total_seconds() if since else 0.0)


def _conditions() -> Metric:
    family = GaugeMetricFamily(
        "smsmanager_gateway_condition",
        "1 for what the gateway is: closed (it works), open (it rests), half_open (it is tried), paused.",
        labels=["gateway", "condition"],
    )
    for gateway, condition in sorted(backlog.conditions().items()):
        for one in backlog.CONDITIONS:
            family.add_metric([gateway, one], int(one == condition))
    return family


def _seen(now: datetime) -> Iterable[Metric]:
    beat = GaugeMetricFamily("smsmanager_beat_seconds", "How long ago beat was seen; no value when it never was.")
    worker = GaugeMetricFamily(
        "smsmanager_worker_seconds",
        "How long ago a worker of the interactive lane began a task; no value when none ever did.",
    )
    families = {Heartbeat.BEAT: beat, Heartbeat.WORKER: worker}
    for name, at in Heartbeat.objects.filter(name__in=families).values_list("name", "at"):
        families[name].add_metric([], (now - at).total_seconds())
    return families.values()


def _tallies() -> Iterable[Metric]:
    sends = CounterMetricFamily(
        "smsmanager_sends",
        "Answers of gateways to single messages since the installation began, by gateway and outcome.",
        labels=["gateway", "outcome"],
    )
    settle = HistogramMetricFamily(
        "smsmanager_settle_seconds",
        "From the hand-over of a message to its settlement, for each message that ended or came into doubt then.",
        labels=["gateway"],
    )
    # Before its first event too: who watches would take the first value that there is for one that was always there.
    said = {(gateway, word): 0 for gateway in routing.names() for word in tallies.WORDS}
    buckets: dict[str, dict[str, int]] = defaultdict(dict)
    micros: dict[str, int] = defaultdict(int)
    sums = Tally.objects.values_list("gateway", "kind", "label").annotate(Sum("count"), Sum("micros")).order_by("label")
    for gateway, kind, label, count, micros_of_label in sums:
        if kind == Tally.Kind.OUTCOME:
            said[gateway, label] = count
        else:
            buckets[gateway][label] = count
            micros[gateway] += micros_of_label
    for key, value in sorted(said.items()):
        sends.add_metric(key, value)
    for gateway, found in sorted(buckets.items()):
        total = 0
        cumulated: list[tuple[str, float]] = []
        for label in tallies.LABELS:
            total += found.get(label, 0)
            cumulated.append((label, total))
        settle.add_metric([gateway], cumulated, micros[gateway] / 1_000_000)
    return sends, settle


_question = Patient("The question of /metrics", lambda: in_own_connection(text), seconds=lambda: SECONDS)
