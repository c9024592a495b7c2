"""What the gateway of the installation cannot carry, in words, for the page and for the plan."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compose import routing
from compose.models import MessageClass
from senders.models import Sender

CLASSES: dict[str, Promise] = {
    MessageClass.STANDARD: _("The operator of this installation cannot send standard messages."),
    MessageClass.FLASH: _("The operator of this installation cannot send Flash messages."),
    MessageClass.SIM: _("The operator of this installation cannot store messages on the SIM card."),
}
KINDS: dict[str, Promise] = {
    Sender.Kind.SHORT: _("The operator of this installation cannot send from short numbers."),
    Sender.Kind.VIRTUAL: _("The operator of this installation cannot send from virtual numbers."),
    Sender.Kind.ALPHANUMERIC: _("The operator of this installation cannot send from names."),
    Sender.Kind.NUMERIC: _("The operator of this installation cannot send from numbers."),
}


def refused_classes() -> dict[str, Promise]:
    """The types of SMS that the gateway does not declare, each with the sentence that says so. No query."""
    can = routing.gateway(routing.DEFAULT).capabilities.classes
    return {name: sentence for name, sentence in CLASSES.items() if name not in can}


def refused_kinds() -> dict[str, Promise]:
    """The kinds of sender that the gateway does not declare, each with the sentence that says so. No query."""
    can = routing.gateway(routing.DEFAULT).capabilities.sender_kinds
    return {kind: sentence for kind, sentence in KINDS.items() if kind not in can}
