"""`manage.py check` says what is wrong with the gateways before anything is sent, and never shows a secret."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from django.core.checks import CheckMessage
from django.test import override_settings

from compose.gateways.base import Accepted, Capabilities, Gateway, Outcome, Outgoing
from compose.models import Route
from smsmanager.gateway_checks import gateways_can_be_used, production_sends, routes_name_gateways
from smsmanager.gateway_settings import BACKENDS, Secret

KEY = Secret("k" * 24)
PASSWORD = "hunter2-and-more"


class Called(Gateway):
    """A gateway whose vendor calls us. It refuses some options, one of them in a way that no gateway should."""

    capabilities = Capabilities(called=True)
    SECRETS: ClassVar[frozenset[str]] = frozenset({"password", "headers"})

    def __init__(self, *, host: str = "", password: str = "", headers: Any = None, port: int = 1) -> None:
        if port < 1:
            raise ValueError("port must be above zero.")
        if host == "careless":
            raise ValueError(f"nobody is known by {password}.")
        if host == "faulty":
            raise RuntimeError(f"a fault with {password}")

    def send(self, chunk: Sequence[Outgoing]) -> Sequence[Outcome]:
        return [Accepted(message.id) for message in chunk]


class Signed(Called):
    """Its calls prove themselves where they come from."""

    capabilities = Capabilities(called=True, signs=True)


def entry(backend: str = "Called", **more: Any) -> dict[str, Any]:
    return {"BACKEND": f"{__name__}.{backend}", "OPTIONS": {}, "DOOR": {"key": KEY}, **more}


def found(*, public: str = "https://sms.example.net", from_file: bool = True, **gateways: Any) -> list[CheckMessage]:
    configured = {name.replace("_", " ") if name == "bad_name" else name: one for name, one in gateways.items()}
    with override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=public, SMS_GATEWAYS_FROM_FILE=from_file):
        return gateways_can_be_used()


def test_a_gateway_with_everything_in_order_is_not_worth_a_word() -> None:
    options = {"host": "a", "password": Secret(PASSWORD), "headers": {"Authorization": Secret(PASSWORD)}}
    assert found(default=entry(OPTIONS=options)) == []
    assert found(default=entry("Signed", DOOR={})) == []
    assert found(default=entry(DOOR={"addresses": ["192.0.2.1", "2001:db8::/32"]})) == []
    assert found(default={"BACKEND": BACKENDS["console"]}) == []
    for rate in (50, 0.5, 0.001, 1_000_000):
        assert found(default=entry(MESSAGES_PER_SECOND=rate)) == []


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no default": ({"other": entry()}, "E010", 'No gateway is called "default"'),
    "no backend": ({"default": {}}, "E011", "it has no BACKEND"),
    "no module": ({"default": {"BACKEND": "shop.sms.MyGateway"}}, "E011", "No module named 'shop'"),
    "no path": ({"default": {"BACKEND": "nonsense"}}, "E011", "doesn't look like a module path"),
    "no gateway": ({"default": entry("entry")}, "E012", "is no Gateway"),
    "its own refusal": ({"default": entry(OPTIONS={"port": 0})}, "E013", "port must be above zero."),
    "unknown option": ({"default": entry(OPTIONS={"hots": "a"})}, "E013", "refused: there is no option hots."),
    "missing options": ({"default": {"BACKEND": BACKENDS["smpp"]}}, "E013", "missing: host, system_id, password."),
    "a fault": ({"default": entry(OPTIONS={"host": "faulty"})}, "E013", "cannot be made from its options (RuntimeE"),
    "unknown key": ({"default": entry(OPTION={})}, "E014", "OPTION means nothing here"),
    "unknown key of the door": ({"default": entry(DOOR={"key": KEY, "keys": 1})}, "E014", "keys means nothing here"),
    **{
        f"a limit of {rate!r}": (
            {"default": entry(MESSAGES_PER_SECOND=rate)},
            "E021",
            "Gateway 'default': messages_per_second must be a number such as 50 or 0.5, from 0.001 to 1000000.",
        )
        for rate in (0, -1, 0.0009, 1_000_001, float("inf"), float("nan"), True, "50", None, [50])
    },
    "a secret in the file": ({"default": entry(OPTIONS={"password": PASSWORD})}, "E015", "option password is a secret"),
    "one deep inside": (
        {"default": entry(OPTIONS={"headers": {"Authorization": PASSWORD}})},
        "E015",
        "option headers is a secret",
    ),
    "the door's key in the file": ({"default": entry(DOOR={"key": "k" * 24})}, "E015", "the door's key is a secret"),
    "an open door": ({"default": entry(DOOR={})}, "E016", "give its door a key or the vendor's addresses"),
    "a name that is no slug": ({"default": entry(), "bad_name": entry()}, "E017", "Gateway 'bad name'"),
    "a short key": ({"default": entry(DOOR={"key": Secret("k" * 23)})}, "E018", "shorter than 24 characters"),
    "no network": ({"default": entry(DOOR={"key": KEY, "addresses": ["192.0.2.7/24"]})}, "E019", "has host bits set"),
    "no address": ({"default": entry(DOOR={"key": KEY, "addresses": ["192.0.2.300"]})}, "E019", "'192.0.2.300'"),
}


@pytest.mark.parametrize(("configured", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_by_its_name(configured: dict[str, Any], code: str, said: str) -> None:
    (problem,) = found(**configured)
    assert problem.id == f"smsmanager.{code}"
    assert said in problem.msg
    assert problem.is_serious()
    assert PASSWORD not in problem.msg


def test_a_refusal_that_shows_a_secret_is_shown_without_it() -> None:
    for password in (PASSWORD, Secret(PASSWORD)):
        (problem,) = found(default=entry(OPTIONS={"host": "careless", "password": password}), from_file=False)
        assert problem.msg == "Gateway 'default': its options are refused: nobody is known by ********."


def test_in_a_settings_module_of_ones_own_nobody_can_tell_where_a_secret_comes_from() -> None:
    assert found(default=entry(OPTIONS={"password": PASSWORD}, DOOR={"key": "k" * 24}), from_file=False) == []


def test_a_gateway_that_is_called_without_a_public_address_is_warned_of() -> None:
    (problem,) = found(default=entry(), public="")
    assert problem.id == "smsmanager.W010"
    assert "SMSMANAGER_PUBLIC_URL" in problem.msg
    assert not problem.is_serious()
    assert found(default={"BACKEND": BACKENDS["console"]}, public="") == []


@pytest.mark.parametrize("name", ["console", "file", "simulator"])
def test_a_gateway_for_development_is_warned_of_in_production(name: str) -> None:
    configured = {"default": {"BACKEND": BACKENDS[name]}, "other": entry()}
    with override_settings(SMS_GATEWAYS=configured, EMBEDDED=False):
        (problem,) = production_sends()
    assert problem.id == "smsmanager.W011"
    assert f"'default' is '{name}', which is for development" in problem.msg
    with override_settings(SMS_GATEWAYS=configured, EMBEDDED=True):
        assert production_sends() == []


@pytest.mark.django_db
def test_a_route_to_a_gateway_that_is_not_configured_is_warned_of_where_the_database_is_looked_at() -> None:
    gone = Route.objects.create(gateway="gone")
    Route.objects.create(gateway="gone too", enabled=False)
    Route.objects.create(gateway="default")
    (problem,) = routes_name_gateways(databases=["default"])
    assert problem.id == "smsmanager.W012"
    assert f"Route {gone.pk} names the gateway 'gone'" in problem.msg
    assert routes_name_gateways(databases=None) == []
