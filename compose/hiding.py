"""What nothing that is kept, logged or shown may say: the secrets of a gateway and the key of its door."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from django.conf import settings

from compose.gateways.base import Gateway

HIDDEN: Final = "…"


def secrets(name: str, gateway: Gateway) -> list[str]:
    """The secrets of the gateway `name`, the longest first: a shorter one may be a part of it."""
    options: Mapping[str, Any] = settings.SMS_GATEWAYS.get(name, {}).get("OPTIONS", {})
    given = [options[option] for option in gateway.SECRETS if options.get(option)]
    # An option may be a table of secrets.
    values = [str(one) for each in given for one in (each.values() if isinstance(each, Mapping) else [each])]
    return sorted({value for value in (gateway.door_key, *values) if value}, key=len, reverse=True)


def without(value: Any, hidden: Sequence[str]) -> Any:
    """The value without these secrets, as they are and as an address spells them."""
    if isinstance(value, str):
        for one in hidden:
            for spelled in {one, quote(one), quote(one, safe=""), quote_plus(one)}:
                value = value.replace(spelled, HIDDEN)
        return value
    if isinstance(value, dict):
        return {without(name, hidden): without(member, hidden) for name, member in value.items()}
    if isinstance(value, list):
        return [without(member, hidden) for member in value]
    return value
