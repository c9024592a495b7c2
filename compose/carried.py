"""What the gateways of the installation cannot carry, in words, for the page and for the plan."""

from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compose import routing
from compose.models import MessageClass
from senders.models import Sender
from senders.rules import gateway_of

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
TOGETHER: Promise = _("The operator of this installation cannot send this type of SMS from this kind of sender.")


def refused_classes(account_id: int | None = None) -> dict[str, Promise]:
    """The types of SMS that no gateway for the account (for anybody, without one) declares, each with its sentence.

    No query where there is one gateway, else one.
    """
    names = routing.routes().reachable(account_id)
    return {
        one: sentence
        for one, sentence in CLASSES.items()
        if not any(routing.carries(name, message_class=one) for name in names)
    }


def refused_kinds(account_id: int | None = None) -> dict[str, Promise]:
    """The kinds of sender that no gateway for the account declares; the rest is as for `refused_classes`."""
    names = routing.routes().reachable(account_id)
    return {
        kind: sentence
        for kind, sentence in KINDS.items()
        if not any(routing.carries(name, kind=kind) for name in names)
    }


def refused(
    regions: Iterable[str], *, account_id: int, sender: Sender, message_class: str, commercial: bool
) -> tuple[set[str], str, Promise] | None:
    """The regions whose gateways do not carry such a message, the form's field, and the sentence; None: all carry it.

    The queries are those of `refused_classes`, whatever the number of regions, and one for a virtual number.
    """
    routes = routing.routes()
    gateway = gateway_of(sender)
    wanted = {
        region: routing.Wanted(account_id, region, sender.pk, sender.kind, message_class, commercial, gateway)
        for region in set(regions)
    }
    out = {region for region, one in wanted.items() if not routes.candidates(one)}
    if not out:
        return None
    tried = {name for region in out for name in routes.fitting(wanted[region])}
    if not any(routing.carries(name, kind=sender.kind) for name in tried):
        return out, "sender", KINDS[sender.kind]
    if not any(routing.carries(name, message_class=message_class) for name in tried):
        return out, "message_class", CLASSES[message_class]
    return out, "message_class", TOGETHER
