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

CONTENT_TYPE = CONTENT_TYPE_LATEST


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
    buckets: dict[str, dict[str, int]] = defaultdict(dict)
    micros: dict[str, int] = defaultdict(int)
    sums = Tally.objects.values_list("gateway", "kind", "label").annotate(Sum("count"), Sum("micros")).order_by("label")
    for gateway, kind, label, count, micros_of_label in sums:
        if kind == Tally.Kind.OUTCOME:
            sends.add_metric([gateway, label], count)
        else:
            buckets[gateway][label] = count
            micros[gateway] += micros_of_label
    for gateway, found in sorted(buckets.items()):
        total = 0
        cumulated: list[tuple[str, float]] = []
        for label in tallies.LABELS:
            total += found.get(label, 0)
            cumulated.append((label, total))
        settle.add_metric([gateway], cumulated, micros[gateway] / 1_000_000)
    return sends, settle
