"""Which gateways carry a message, and in which order they are asked."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from compose import carried, routing
from compose.models import Message, Route
from compose.planning import Refused, plan
from credits.models import Account
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_message, at
from tests.gateways_for_tests import ScriptedGateway, scripted_gateways
from tests.pages import is_a_sentence
from tests.threads import at_once

State = Message.State
FRENCH = {"region": "FR", "kind": "alphanumeric", "message_class": "standard", "commercial": False}


@pytest.fixture
def account(db: None) -> Account:
    return factories.account()


@pytest.fixture
def gateways() -> Iterator[dict[str, ScriptedGateway]]:
    """Three gateways: one that carries everything, two that know standard messages from names only."""
    plain: dict[str, Any] = {"classes": ["standard"], "kinds": ["alphanumeric"]}
    with scripted_gateways(default={}, cheap=plain, spare=plain) as made:
        yield made


def route(gateway: str, priority: int = 10, **asked: Any) -> Route:
    return Route.objects.create(gateway=gateway, priority=priority, **asked)


def wanted(account: Account, **changes: Any) -> routing.Wanted:
    sender = changes.pop("sender_id", None) or factories.draft(account).sender.pk
    return routing.Wanted(**{"account_id": account.pk, "sender_id": sender, **FRENCH, **changes})


@pytest.mark.usefixtures("gateways")
def test_without_a_route_that_fits_the_default_carries_the_message(account: Account) -> None:
    route("cheap", region="BE")
    assert routing.candidates(wanted(account)) == ("default",)
    assert routing.candidates(wanted(account, region="BE")) == ("cheap",)


@pytest.mark.usefixtures("gateways")
@pytest.mark.parametrize(
    ("asked", "other"),
    [
        ({"region": "FR"}, {"region": "BE"}),
        ({"kind": "alphanumeric"}, {"kind": "virtual"}),
        ({"message_class": "standard"}, {"message_class": "flash"}),
        ({"commercial": False}, {"commercial": True}),
    ],
    ids=["country", "kind of sender", "type", "commercial"],
)
def test_a_route_fits_what_it_asks_for_and_nothing_else(
    account: Account, asked: dict[str, Any], other: dict[str, Any]
) -> None:
    route("spare", **asked)
    assert routing.candidates(wanted(account)) == ("spare",)
    assert routing.candidates(wanted(account, **other)) == ("default",)


@pytest.mark.usefixtures("gateways")
def test_a_route_of_an_account_or_of_a_sender_is_for_nobody_else(account: Account) -> None:
    other = factories.account()
    route("cheap", account=account)
    route("spare", sender=factories.sender(other, "Other"))
    assert routing.candidates(wanted(account)) == ("cheap",)
    assert routing.candidates(wanted(other, sender_id=Route.objects.get(gateway="spare").sender_id)) == ("spare",)
    assert routing.candidates(wanted(other, sender_id=factories.sender(other, "Third").pk)) == ("default",)


@pytest.mark.usefixtures("gateways")
def test_the_lowest_priority_goes_first_then_the_closest_fit_then_the_oldest(account: Account) -> None:
    route("spare", priority=20, region="FR", commercial=False)
    route("cheap")
    route("default", region="FR")
    assert routing.candidates(wanted(account)) == ("default", "cheap", "spare")
    Route.objects.filter(gateway="spare").update(priority=1)
    assert routing.candidates(wanted(account)) == ("spare", "default", "cheap")
    Route.objects.update(priority=10, region="", commercial=None)
    assert routing.candidates(wanted(account)) == ("spare", "cheap", "default")


@pytest.mark.usefixtures("gateways")
def test_a_route_that_is_off_or_leads_to_a_gateway_that_is_gone_is_passed_over(account: Account) -> None:
    route("cheap", enabled=False)
    route("gone")
    assert routing.candidates(wanted(account)) == ("default",)


@pytest.mark.usefixtures("gateways")
def test_a_gateway_that_does_not_declare_the_type_or_the_kind_is_left_out(account: Account) -> None:
    route("cheap")
    route("default", priority=20)
    assert routing.candidates(wanted(account, message_class="flash")) == ("default",)
    assert routing.candidates(wanted(account, kind="short")) == ("default",)
    Route.objects.filter(gateway="default").delete()
    assert routing.candidates(wanted(account, kind="short")) == ()


def test_messages_go_by_the_gateways_of_their_routes(account: Account, gateways: dict[str, ScriptedGateway]) -> None:
    route("cheap", region="FR")
    route("spare", region="BE")
    submission = factories.submission(account, to="06 12 34 56 78, +32 470 12 34 56, +39 312 345 6789")
    assert dispatch_due(clock=at(NOON)) == 3
    found = {row.region: row.gateway for row in submission.messages.all()}
    assert found == {"FR": "cheap", "BE": "spare", "IT": "default"}
    assert {name: len(one.sent) for name, one in gateways.items()} == {"default": 1, "cheap": 1, "spare": 1}
    assert set(submission.messages.values_list("state", flat=True)) == {"accepted"}


@pytest.mark.usefixtures("gateways")
def test_a_message_that_no_gateway_carries_any_more_fails_with_a_sentence_and_is_given_back(account: Account) -> None:
    message = factories.message(account, message_class="flash")
    route("cheap")
    assert dispatch_due(clock=at(NOON)) == 0
    assert_message(message, State.FAILED, "unsupported", attempts=0)
    assert is_a_sentence(message.reason_sentence.replace("L’", "L"))
    assert factories.balances(account) == factories.FULL


def queries_of(account: Account, count: int) -> int:
    """The queries of a round with `count` messages to each of three countries."""
    numbers = [f"{prefix}{number:02d}" for prefix in ("+336123456", "+324701234", "+393123456") for number in range(99)]
    chosen = [number for number in numbers if int(number[-2:]) < count]
    factories.submission(account, to=", ".join(one + "7" * one.startswith("+39") for one in chosen))
    with CaptureQueriesContext(connection) as queries:
        assert dispatch_due(clock=at(NOON)) == len(chosen)
    return len(queries)


@pytest.mark.usefixtures("gateways")
def test_the_cost_of_a_batch_does_not_grow_with_messages_and_by_a_constant_with_each_gateway(account: Account) -> None:
    factories.grant(account, 1_000_000)
    queries_of(account, 1)  # The first claim gives each gateway its row.
    one = queries_of(account, 1)
    route("cheap", region="FR")
    for region in ("BE", "LU", "NL", "DE"):
        route("cheap", region=region)
    two = queries_of(account, 3)
    assert two == queries_of(account, 30)
    route("spare", priority=1, region="BE")
    three = queries_of(account, 3)
    assert three == queries_of(account, 30)
    assert 0 < two - one == three - two < 30


def test_with_one_gateway_nobody_asks_the_table_of_routes(account: Account) -> None:
    with scripted_gateways(default={}), CaptureQueriesContext(connection) as queries:
        assert routing.candidates(wanted(account)) == ("default",)
        assert carried.refused_classes() == {}
    assert [query["sql"] for query in queries if "compose_route" in query["sql"]] == []


# What the compose page says


@pytest.mark.usefixtures("gateways")
def test_the_page_refuses_only_what_no_gateway_for_the_account_carries(account: Account) -> None:
    other = factories.account()
    route("cheap")
    assert set(carried.refused_classes(account.pk)) == {"flash", "sim"}
    assert set(carried.refused_kinds(account.pk)) == {"short", "virtual", "numeric"}
    route("default", account=other)
    assert carried.refused_classes(other.pk) == carried.refused_kinds(other.pk) == {}
    assert set(carried.refused_classes(account.pk)) == {"flash", "sim"}


@pytest.mark.usefixtures("gateways")
def test_the_plan_refuses_what_no_gateway_carries_for_all_or_for_some_recipients(account: Account) -> None:
    route("cheap", region="BE")
    with override("en"):
        with pytest.raises(Refused) as refused:
            plan(factories.draft(account, to="+32 470 12 34 56", message_class="flash"), now=NOON)
        assert refused.value.field == "message_class"
        assert str(refused.value.sentence) == "The operator of this installation cannot send Flash messages."
        mixed = factories.draft(account, to="06 12 34 56 78, +32 470 12 34 56", message_class="flash")
        with pytest.raises(Refused) as refused:
            plan(mixed, now=NOON)
        assert "Flash messages. This concerns 1 number in these countries: Belgium." in str(refused.value.sentence)
        assert plan(factories.draft(account, message_class="flash"), now=NOON).sms == 1


def test_a_kind_and_a_type_that_no_gateway_carries_together_are_refused(account: Account) -> None:
    one: dict[str, Any] = {"classes": ["flash"], "kinds": ["short"]}
    with scripted_gateways(default={"classes": ["standard"]}, one=one):
        route("default")
        route("one")
        with override("en"), pytest.raises(Refused) as refused:
            plan(factories.draft(account, message_class="flash"), now=NOON)
        with override("en"):
            assert "this type of SMS from this kind of sender" in str(refused.value.sentence)


def test_a_gateway_that_cannot_be_made_keeps_its_messages_waiting_and_nobody_else(account: Account) -> None:
    with scripted_gateways(default={}) as made:
        broken = {"BACKEND": "tests.gateways_for_tests.ScriptedGateway", "OPTIONS": {"nonsense": "hunter2"}}
        default = {"BACKEND": "tests.gateways_for_tests.ScriptedGateway"}
        route("broken", region="BE")
        with override_settings(SMS_GATEWAYS={"default": default, "broken": broken}):
            submission = factories.submission(account, to="06 12 34 56 78, +32 470 12 34 56")
            assert dispatch_due(clock=at(NOON)) == 1
        assert len(made["default"].sent) == 1
    assert sorted(submission.messages.values_list("region", "state", "reason")) == [
        ("BE", "scheduled", "bad_configuration"),
        ("FR", "accepted", ""),
    ]


class SlowToMake(ScriptedGateway):
    def __init__(self) -> None:
        time.sleep(0.2)
        super().__init__()


def test_of_threads_that_ask_for_a_gateway_at_once_one_makes_it() -> None:
    """A second one would have a connection of its own to the provider, and nobody would ask it what it heard."""
    configured = {"default": {"BACKEND": f"{__name__}.SlowToMake"}}
    with override_settings(SMS_GATEWAYS=configured):
        routing.gateway.cache_clear()
        try:
            made = at_once([lambda: routing.gateway("default")] * 4)
        finally:
            routing.gateway.cache_clear()
    assert all(isinstance(one, SlowToMake) for one in made)
    assert len(set(map(id, made))) == 1
