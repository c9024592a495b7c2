"""System checks of the gateways: what is wrong in their settings is said at the start, and never with a value."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import OperationalError, ProgrammingError
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from compose.gateways.base import Gateway
from compose.models import Route
from senders.models import ShortNumber, VirtualNumber
from smsmanager.gateway_settings import FILE, FOR_DEVELOPMENT, PUBLIC_URL, Secret, short_name

SHORTEST_DOOR_KEY = 24
LOWEST_RATE, HIGHEST_RATE = 0.001, 1_000_000
# Part of the door's address, and of Message.gateway.
NAME = re.compile(r"[-a-zA-Z0-9_]{1,40}")
KEYS = frozenset({"BACKEND", "OPTIONS", "DOOR", "MESSAGES_PER_SECOND"})


@register()
def gateways_can_be_used(**_rest: Any) -> list[CheckMessage]:
    """Name, class, options, secrets and door of each gateway: what would fail later is said at the start."""
    problems: list[CheckMessage] = []
    if "default" not in settings.SMS_GATEWAYS:
        text = 'No gateway is called "default": it is the one that carries what no route takes.'
        problems.append(Error(text, id="smsmanager.E010"))
    for name, wanted in settings.SMS_GATEWAYS.items():
        problems += _of(name, wanted)
    return problems


@register(Tags.security)
def production_sends(**_rest: Any) -> list[CheckMessage]:
    """In production mode a gateway that sends nothing to anybody is worth a word."""
    if settings.EMBEDDED:
        return []
    return [
        checks.Warning(
            f"Gateway {name!r} is {short_name(wanted['BACKEND'])!r}, which is for development: it takes and charges "
            f"messages, and sends none. {FILE} names a file with real ones.",
            id="smsmanager.W011",
        )
        for name, wanted in settings.SMS_GATEWAYS.items()
        if wanted.get("BACKEND") in FOR_DEVELOPMENT
    ]


@register(Tags.database)
def routes_name_gateways(databases: Any = None, **_rest: Any) -> list[CheckMessage]:
    """Every route that is enabled names a gateway that there is. Looked at where the database is (`migrate`)."""
    if not databases:
        return []
    configured = set(settings.SMS_GATEWAYS)
    routes = Route.objects.filter(enabled=True).exclude(gateway__in=configured).order_by("pk")
    return [
        checks.Warning(
            f"Route {route.pk} names the gateway {route.gateway!r}, which is not configured: it is passed over.",
            id="smsmanager.W012",
        )
        for route in _rows(routes)
    ]


@register(Tags.database)
def numbers_name_gateways(databases: Any = None, **_rest: Any) -> list[CheckMessage]:
    """Every number that is enabled and belongs to a gateway belongs to one that there is."""
    if not databases:
        return []
    known = ["", *settings.SMS_GATEWAYS]
    numbers = [
        *_rows(ShortNumber.objects.filter(enabled=True).exclude(gateway__in=known)),
        *_rows(VirtualNumber.objects.filter(enabled=True).exclude(gateway__in=known)),
    ]
    return [
        checks.Warning(
            f"{number} belongs to the gateway {number.gateway!r}, which is not configured: nothing leaves from it.",
            id="smsmanager.W013",
        )
        for number in numbers
    ]


def _rows(found: QuerySet[Any]) -> list[Any]:
    """The first 20; none where the table is not there, or not yet as the code has it: `migrate` looks here first."""
    try:
        return list(found[:20])
    except (OperationalError, ProgrammingError):
        return []


def _of(name: str, wanted: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if not NAME.fullmatch(name):
        text = "may have 1 to 40 letters without accents, digits, - and _: it is part of its door's address."
        yield Error(f"Gateway {name!r}: its name {text}", id="smsmanager.E017")
    if unknown := sorted(set(wanted) - KEYS):
        yield Error(f"Gateway {name!r}: {', '.join(unknown)} means nothing here.", id="smsmanager.E014")
    if "MESSAGES_PER_SECOND" in wanted and not _is_rate(wanted["MESSAGES_PER_SECOND"]):
        text = "messages_per_second must be a number such as 50 or 0.5, from 0.001 to 1000000."
        yield Error(f"Gateway {name!r}: {text}", id="smsmanager.E021")
    try:
        found = import_string(wanted["BACKEND"])
    except KeyError:
        yield Error(f"Gateway {name!r}: it has no BACKEND.", id="smsmanager.E011")
        return
    except (ImportError, ValueError) as error:
        yield Error(f"Gateway {name!r}: {error}", id="smsmanager.E011")
        return
    if not (isinstance(found, type) and issubclass(found, Gateway)):
        yield Error(f"Gateway {name!r}: {wanted['BACKEND']} is no Gateway.", id="smsmanager.E012")
        return
    options, door = wanted.get("OPTIONS", {}), wanted.get("DOOR", {})
    yield from _secrets(name, found, options, door)
    made, why = _made(found, options)
    if made is None:
        yield Error(f"Gateway {name!r}: {why}", id="smsmanager.E013")
    yield from _door(name, made, door)


def _is_rate(said: Any) -> bool:
    """Neither true nor false, which Python counts as numbers, nor nan, which is between nothing."""
    return isinstance(said, int | float) and not isinstance(said, bool) and LOWEST_RATE <= said <= HIGHEST_RATE


def _made(found: type[Gateway], options: Mapping[str, Any]) -> tuple[Gateway | None, str]:
    """The gateway, or None and why its options are refused: what the class says, without a secret."""
    try:
        return found(**options), ""
    except (ValueError, TypeError) as error:
        said = _about_options(str(error))
        for secret in _texts([value for key, value in options.items() if key in found.SECRETS or _hidden(value)]):
            said = said.replace(secret, "********")
        return None, f"its options are refused: {said}"
    except Exception as error:  # noqa: BLE001  (somebody else's code; the check says so and goes on)
        return None, f"it cannot be made from its options ({type(error).__name__})."


def _about_options(said: str) -> str:
    """What Python says of arguments that are missing or not known, as a sentence about options; else as it was."""
    if found := re.search(r"unexpected keyword argument '(\w+)'", said):
        return f"there is no option {found[1]}."
    if found := re.search(r"missing \d+ required (?:keyword-only|positional) arguments?: (.+)", said):
        missing = ", ".join(re.findall(r"'(\w+)'", found[1]))
        return f"missing: {missing}."
    return said


def _secrets(
    name: str, found: type[Gateway], options: Mapping[str, Any], door: Mapping[str, Any]
) -> Iterator[CheckMessage]:
    """Only of a file can be known where a value comes from: a settings module of one's own reads it as it likes."""
    if not settings.SMS_GATEWAYS_FROM_FILE:
        return
    written = [f"option {key}" for key in sorted(found.SECRETS & set(options)) if not _hidden(options[key])]
    written += ["the door's key"] if door.get("key") and not _hidden(door["key"]) else []
    for which in written:
        text = f'Gateway {name!r}: {which} is a secret and stands in the file. Write {{ env = "NAME" }} there instead.'
        yield Error(text, id="smsmanager.E015")


def _door(name: str, made: Gateway | None, door: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if unknown := sorted(set(door) - {"key", "addresses"}):
        yield Error(f"Gateway {name!r}, door: {', '.join(unknown)} means nothing here.", id="smsmanager.E014")
    key, addresses = door.get("key", ""), door.get("addresses", [])
    if key and len(key) < SHORTEST_DOOR_KEY:
        text = f"the door's key is shorter than {SHORTEST_DOOR_KEY} characters: it could be guessed."
        yield Error(f"Gateway {name!r}: {text}", id="smsmanager.E018")
    for one in addresses:
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            text = f"{one!r} is no address or network ({error})."
            yield Error(f"Gateway {name!r}, door: {text}", id="smsmanager.E019")
    if made is None or not made.capabilities.called:
        return
    if not (made.capabilities.signs or key or addresses):
        text = "its vendor calls us and anybody could: give its door a key or the vendor's addresses."
        yield Error(f"Gateway {name!r}: {text}", id="smsmanager.E016")
    if not settings.SMS_PUBLIC_URL:
        text = f"its vendor calls us, and {PUBLIC_URL} does not say where: it cannot be told where reports go."
        yield checks.Warning(f"Gateway {name!r}: {text}", id="smsmanager.W010")


def _hidden(value: Any) -> bool:
    """Whether every text in the value comes from the environment."""
    return all(isinstance(one, Secret) for one in _texts(value))


def _texts(value: Any) -> list[str]:
    """The texts in a value, however deep; none for an empty one."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, Mapping):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, list | tuple) else []
