"""The door of a gateway beside a bare Django view that stores one row: calls and forged calls, and applying reports.

The views are called as they are, without an HTTP server or middleware, on a database in a file or that of DATABASE_URL.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable

from tests.bench import races

CALLS = 300
FORGED = 3000
REPORTS = 5000
# A call costs a query more than the bare view: the transaction around the statement that stores.
TARGET = 0.3


def report() -> str:
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    logging.disable(logging.WARNING)
    made = setup_databases(verbosity=0, interactive=False)
    try:
        return _report()
    finally:
        connection.close()
        teardown_databases(made, verbosity=0)
        logging.disable(logging.NOTSET)


def _report() -> str:
    from tests.called_gateways import called_gateway

    with called_gateway(key="opens-the-door"):
        outcomes = [
            races.run(
                races.Race(
                    name="a report stored",
                    unit="calls",
                    amount=CALLS,
                    ours=_calls("opens-the-door", CALLS),
                    theirs=_bare(CALLS),
                    target=TARGET,
                ),
                clock=time.perf_counter,
            ),
            races.run(
                races.Race(
                    name="a forged call refused",
                    unit="calls",
                    amount=FORGED,
                    ours=_calls("opens-the-doom", FORGED),
                    theirs=_bare(FORGED),
                    target=1,
                ),
                clock=time.perf_counter,
            ),
        ]
        return f"{races.table(outcomes)}\n\n{_applied()}"


_numbers = itertools.count()


def _body() -> bytes:
    number = next(_numbers)
    said = {"is": "report", "key": f"key-{number}", "reference": f"nobody-{number}", "status": "delivered"}
    return json.dumps([said | {"at": "2026-11-24T11:00:00+00:00"}]).encode()


def _calls(key: str, count: int) -> Callable[[], None]:
    from django.test import RequestFactory

    from inbox.door_views import door

    make = RequestFactory(headers={"x-gateway-key": key}, SERVER_NAME="localhost")

    def work() -> None:
        for _call in range(count):
            door(make.post("/gateways/default/report", _body(), "application/json"), "default", "report")

    return work


def _bare(count: int) -> Callable[[], None]:
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory
    from django.utils import timezone

    from compose.models import GatewayEvent

    make = RequestFactory(SERVER_NAME="localhost")

    def view(request: HttpRequest) -> HttpResponse:
        said = json.loads(request.body)[0]
        row = {"gateway": "bare", "key": said["key"], "kind": "report", "payload": said, "look_at": timezone.now()}
        GatewayEvent.objects.create(**row)
        return HttpResponse("taken")

    def work() -> None:
        for _call in range(count):
            view(make.post("/", _body(), "application/json"))

    return work


def _applied() -> str:
    """Stored reports applied: of unknown messages, and of messages that they deliver."""
    from compose.gateways.base import Report
    from compose.models import GatewayEvent, Message
    from compose.services import store_events
    from inbox import services
    from tests import factories
    from tests.dispatching import dispatch_due
    from tests.gateways_for_tests import scripted_gateway

    GatewayEvent.objects.all().delete()
    lines = ["| reports applied | per second |", "|---|---:|"]
    with scripted_gateway(batch_size=500):
        account = factories.account(millis=10**9)
        factories.submission(account, to=REPORTS)
        while dispatch_due(clock=factories.at(factories.NOON)):
            pass
        references = list(Message.objects.order_by("pk").values_list("gateway_ref", flat=True))
        for name, named in (
            ("of unknown messages", [f"nobody-{number}" for number in range(REPORTS)]),
            ("that deliver a message", references),
        ):
            events = [
                Report(key=f"{name}-{reference}", reference=reference, status="delivered", at=factories.NOON)
                for reference in named
            ]
            store_events("default", events, now=factories.NOON)
            begun = time.perf_counter()
            services.apply_waiting(clock=factories.at(factories.NOON))
            lines.append(f"| {name} | {len(events) / (time.perf_counter() - begun):,.0f} |".replace(",", " "))
    return "\n".join(lines)
