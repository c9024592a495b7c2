"""Gateways that say what makes no sense: the messages of a chunk are settled whatever their gateway says of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from django.urls import reverse

from compose import dispatch, routing, services
from compose.gateways.base import Accepted, BadConfiguration, NotSent, Received, Rejected, Throttled
from compose.models import GatewayState, Message, Route, Transition, VendorCode
from credits.models import Account
from credits.models.letters import Letter
from inbox import models as inbox_models
from inbox import services as inbox_services
from senders.models import Sender
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, assert_message, at, due
from tests.gateways_for_tests import Script, ScriptedGateway, answering, raising, scripted_gateways
from tests.pages import browser_of

State = Message.State
ODD = "\0 and \ud800"
SECRET = "s3cr3t & more"


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateways(db: None) -> Iterator[dict[str, ScriptedGateway]]:
    """Two gateways for everything: `first`, then `second`."""
    Route.objects.create(gateway="first", priority=1)
    Route.objects.create(gateway="second", priority=2)
    with scripted_gateways(default={}, first={}, second={}) as made:
        yield made


NONSENSE: dict[str, Any] = {
    "nothing": lambda chunk: None,
    "a number": lambda chunk: 5,
    "a text": lambda chunk: "x" * len(chunk),
    "no outcome for each": lambda chunk: [None for _one in chunk],
    "texts": lambda chunk: ["accepted" for _one in chunk],
    "classes": lambda chunk: [NotSent for _one in chunk],
    "other errors": lambda chunk: [ValueError("x") for _one in chunk],
    "too many": lambda chunk: [NotSent("x") for _one in (*chunk, 1)],
}


@pytest.mark.parametrize("script", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_none_leaves_the_message_in_doubt_and_gives_it_to_no_other_gateway(
    account: Account, gateways: dict[str, ScriptedGateway], script: Any
) -> None:
    message = factories.message(account)
    gateways["first"].script = script
    dispatch_due(clock=at(NOON))
    assert_message(message, State.UNCONFIRMED, "outcome_unknown", gateway="first")
    for minutes in (3, 30, 24 * 60):
        later = NOON + timedelta(minutes=minutes)
        dispatch.sweep(clock=at(later))
        dispatch_due(clock=at(later))
    assert gateways["second"].sent == []


@pytest.mark.parametrize("reference", [None, 17, "r" * 500, ODD, ""], ids=["none", "number", "long", "odd", "empty"])
def test_what_was_accepted_is_accepted_under_whatever_name(
    account: Account, gateways: dict[str, ScriptedGateway], reference: Any
) -> None:
    message = factories.message(account)
    gateways["first"].script = lambda chunk: [Accepted(reference)]
    dispatch_due(clock=at(NOON))
    assert_message(message, State.ACCEPTED, gateway="first")
    assert len(message.gateway_ref) <= 80
    assert_ledger_adds_up()


@pytest.mark.parametrize("error", [NotSent, BadConfiguration, Rejected], ids=lambda error: error.__name__)
@pytest.mark.parametrize("detail", [ODD, ODD * 200, None, 5], ids=["odd", "long", "none", "number"])
def test_what_a_vendor_writes_into_its_refusal_keeps_no_message_from_being_settled(
    account: Account, gateways: dict[str, ScriptedGateway], error: Any, detail: Any
) -> None:
    message = factories.message(account)
    gateways["first"].script = lambda chunk: [error(detail, code=ODD) for _one in chunk]
    dispatch_due(clock=at(NOON))
    went_on = error is not Rejected
    assert_message(message, State.ACCEPTED if went_on else State.FAILED, "" if went_on else "rejected")
    assert len(gateways["second"].sent) == went_on
    assert_ledger_adds_up()
    assert GatewayState.objects.get(name="first").failures == went_on


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, -5.0, None, "soon", 10**9])
def test_a_gateway_that_asks_for_an_odd_pause_costs_no_message(
    account: Account, gateways: dict[str, ScriptedGateway], seconds: Any
) -> None:
    Route.objects.filter(gateway="second").delete()
    message = factories.message(account)
    gateways["first"].script = lambda chunk: [Throttled("slow", retry_after=seconds)]
    dispatch_due(clock=at(NOON))
    assert_message(message, State.SCHEDULED, "throttled")
    assert NOON < due(message) <= NOON + timedelta(hours=1)


class Careless(ScriptedGateway):
    """It has a secret, and says it."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})

    def __init__(self, *, password: str) -> None:
        super().__init__()
        self.password = password


@pytest.mark.parametrize(
    "script",
    [
        answering(Rejected(f"key={SECRET} is wrong", code=f"wrong {SECRET}")),
        answering(BadConfiguration(f"?key={quote(SECRET)}", code=SECRET)),
        raising(RuntimeError(f"?key={SECRET}")),
    ],
    ids=["refusal", "settings", "fault"],
)
def test_a_secret_that_a_vendor_or_a_fault_repeats_is_kept_and_logged_nowhere(
    account: Account, caplog: pytest.LogCaptureFixture, mailoutbox: Any, settings: Any, script: Script
) -> None:
    settings.ADMINS = [("a", "a@example.org")]
    settings.SMS_GATEWAYS = {
        "default": {"BACKEND": f"{__name__}.Careless", "OPTIONS": {"password": SECRET}},
    }
    routing.gateway.cache_clear()
    message = factories.message(account)
    made = routing.gateway("default")
    assert isinstance(made, Careless)
    made.script = script
    dispatch_due(clock=at(NOON))
    message.refresh_from_db()
    assert message.attempts == 1
    kept = [*Transition.objects.values(), *GatewayState.objects.values(), *VendorCode.objects.values()]
    kept += Letter.objects.values()
    for said in (str(kept), caplog.text):
        assert SECRET not in said
        assert quote(SECRET) not in said
    routing.gateway.cache_clear()


@pytest.mark.parametrize(
    "when",
    [datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 11, 24)],  # noqa: DTZ001
)
def test_a_received_message_of_a_moment_that_cannot_be_came_now_and_breaks_no_page(
    account: Account, when: datetime
) -> None:
    to = factories.sender(account, factories.mobile(900_000), kind=Sender.Kind.VIRTUAL)
    said = Received(key="k", number="+33612345678", to=to.value, text="from the end of time", at=when)
    services.store_events("default", [said], now=NOON)
    inbox_services.apply_waiting(clock=at(NOON))
    assert inbox_models.Received.objects.get().received_at == NOON
    answer = browser_of(factories.owner(account)).get(reverse("received"))
    assert "from the end of time" in answer.content.decode()


def test_a_gateway_that_fails_when_it_is_asked_for_events_says_no_secret_in_the_log(
    gateways: dict[str, ScriptedGateway], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> list[Any]:
        raise RuntimeError(f"GET /?key={SECRET}")

    monkeypatch.setattr(gateways["first"], "poll", fail)
    inbox_services.poll_gateways(clock=at(NOON))
    assert "The gateway first could not be asked for its events: RuntimeError" in caplog.text
    assert SECRET not in caplog.text
