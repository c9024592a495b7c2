"""Which gateway carries a message, and the gateways themselves, made once a process from the settings."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from compose.gateways.base import Gateway

DEFAULT = "default"


@cache
def gateway(name: str) -> Gateway:
    """The gateway that `settings.SMS_GATEWAYS` names so. Raises KeyError for an unknown name."""
    wanted = settings.SMS_GATEWAYS[name]
    made = import_string(wanted["BACKEND"])(**wanted.get("OPTIONS", {}))
    assert isinstance(made, Gateway)
    return made


def names() -> list[str]:
    """The names of all configured gateways."""
    return list(settings.SMS_GATEWAYS)
