"""What waits for a gateway that a person has paused, though no claim has come to it yet and nothing says so of it."""

from typing import NamedTuple

from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from compose import routing
from compose.models import GatewayState, Message, Submission
from senders.rules import gateway_of

# Beside a sentence that says when messages leave, where it does not hold for all of them.
SOME_WAIT = _("What goes by a paused gateway leaves when the gateway goes on.")


class Held(NamedTuple):
    """So many messages of `total` leave no sooner than a person lets their gateway go on."""

    waiting: int
    total: int

    @property
    def all(self) -> bool:
        """Whether there are any, and no others."""
        return 0 < self.waiting == self.total


NONE_HELD = Held(0, 0)


def held(submission: Submission, messages: QuerySet[Message]) -> Held:
    """How many of these messages of the submission wait: each gateway is paused that carries them.

    One query, and where some gateway is paused one for the messages, those of `routing.routes`, and two of the sender.
    """
    paused = set(GatewayState.objects.exclude(paused_at=None).values_list("name", flat=True))
    if not paused:
        return NONE_HELD
    totals = dict(messages.order_by().values_list("region").annotate(Count("pk")))
    routes, sender = routing.routes(), submission.sender
    gateway = gateway_of(sender)
    waiting = 0
    for region, total in totals.items():
        wanted = routing.Wanted(
            account_id=submission.account_id,
            region=region,
            sender_id=sender.pk,
            kind=sender.kind,
            message_class=submission.message_class,
            commercial=submission.commercial,
            gateway=gateway,
        )
        carrying = routes.candidates(wanted)
        if carrying and paused.issuperset(carrying):
            waiting += total
    return Held(waiting, sum(totals.values()))
