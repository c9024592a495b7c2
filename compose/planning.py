"""What a draft means before it is sent: text, segments, price, departures. `submit` sends what `plan` says."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose import routing, segments
from compose.numbers import Recipient
from compose.schedule import DEFAULT_WINDOW, Departure, next_opening
from credits.models import Account
from credits.rates import rates_for
from senders.models import Sender
from senders.rules import gets_stop_clause

# How far ahead a message may be deferred: beyond a year a date is a slip of the finger.
FARTHEST = timedelta(days=366)


class Refused(Exception):
    """The message cannot be submitted. `field` is the form's field, `sentence` says why to the user."""

    def __init__(self, field: str | None, sentence: str | Promise) -> None:
        super().__init__(str(sentence))
        self.field = field
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a person wants to send. `body` without the STOP clause; `deferred_to` an instant, or None for now."""

    account: Account
    user: Any
    sender: Sender
    recipients: Sequence[Recipient]
    body: str
    commercial: bool
    message_class: str
    deferred_to: datetime | None
    request_key: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """The departure and price (millis) of one recipient's message."""

    recipient: Recipient
    departure: Departure
    rate: int
    price: int


@dataclass(frozen=True)
class Wave:
    """So many messages leave at this moment; when it is not the moment asked for, `reason` says why."""

    at: datetime
    count: int
    postponed: bool
    reason: str | Promise | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a draft means: the text that is counted, priced, previewed and sent, and when each message leaves."""

    draft: Draft
    text: str
    segmentation: segments.Segmentation
    leaving: tuple[Leaving, ...]

    @property
    def price(self) -> int:
        return sum(one.price for one in self.leaving)

    @property
    def sms(self) -> int:
        return self.segmentation.count * len(self.leaving)

    @property
    def waves(self) -> list[Wave]:
        """The moments of departure, earliest first."""
        counts = Counter(one.departure.at for one in self.leaving)
        first = {one.departure.at: one.departure for one in reversed(self.leaving)}
        return [Wave(at, counts[at], first[at].postponed, first[at].reason) for at in sorted(counts)]


def plan(draft: Draft, *, now: datetime) -> Plan:
    """Work out what submitting `draft` at `now` would send, when and for how much.

    Raises Refused with the field and a sentence when it could not be submitted; credit is not looked at.
    """
    if not draft.recipients:
        raise Refused("recipients", _("Enter at least one mobile number."))
    if not draft.body.strip():
        raise Refused("text", _("Write a message: it is empty or holds only spaces."))
    _check_sender(draft)
    _check_moment(draft, now)
    _check_carried(draft)
    text, segmentation = _segmented(draft)
    # A number that is there twice gets the message once.
    recipients = list({recipient.e164: recipient for recipient in draft.recipients}.values())
    rates = rates_for({recipient.region for recipient in recipients}, draft.deferred_to or now)
    parts = segmentation.count
    leaving = tuple(
        Leaving(
            recipient=recipient,
            departure=_departure(recipient, draft, now),
            rate=rates[recipient.region],
            price=parts * rates[recipient.region],
        )
        for recipient in recipients
    )
    return Plan(draft=draft, text=text, segmentation=segmentation, leaving=leaving)


def _check_moment(draft: Draft, now: datetime) -> None:
    if draft.deferred_to is None:
        return
    if draft.deferred_to <= now:
        raise Refused("time", _("This moment is past. Choose a later one, or send the message now."))
    if draft.deferred_to > now + FARTHEST:
        raise Refused("date", _("This is more than a year ahead. Choose an earlier date."))


def _check_sender(draft: Draft) -> None:
    """Looked at by the verb too: between the page and the click a sender may be disabled or deleted."""
    sender = draft.sender
    mine = sender.is_pool or sender.account_id == draft.account.pk
    if not mine or sender.status != Sender.Status.ENABLED or sender.deleted_at is not None:
        raise Refused(
            "sender", _("This sender is not available in your account. Choose another one; your message is kept.")
        )


def _check_carried(draft: Draft) -> None:
    """What the gateway does not declare is refused before anything is sent."""
    can = routing.gateway(routing.DEFAULT).capabilities
    if draft.sender.kind not in can.sender_kinds:
        raise Refused("sender", _("The operator cannot send from this kind of sender. Choose another one."))
    if draft.message_class not in can.classes:
        raise Refused("message_class", _("The operator cannot carry this type of SMS. Choose another one."))


def stop_clause_for(sender: Sender, *, commercial: bool) -> str:
    """The STOP clause that a message from this sender carries, "" when it carries none."""
    return stop_clause_text() if commercial and gets_stop_clause(sender.kind) else ""


def stop_clause_text() -> str:
    """The STOP clause of this installation, as it stands behind a commercial message."""
    return segments.stop_clause(settings.SMS_STOP_NUMBER)


def _segmented(draft: Draft) -> tuple[str, segments.Segmentation]:
    limit = draft.account.max_parts
    text = segments.final_text(draft.body, stop_clause_for(draft.sender, commercial=draft.commercial))
    # Without reading a text of a megabyte to its end: no part holds more than 160 characters.
    segmentation = None if len(text) > 160 * limit else _segments_or_none(text)
    if segmentation is None or segmentation.count > limit:
        sentence = ngettext(
            "The message is too long: this account sends at most %(limit)d SMS for one message. "
            "Shorten it; your text is kept.",
            "The message is too long: this account sends at most %(limit)d SMS for one message. "
            "Shorten it; your text is kept.",
            limit,
        ) % {"limit": limit}
        raise Refused("text", sentence)
    return segmentation.text, segmentation


def _segments_or_none(text: str) -> segments.Segmentation | None:
    try:
        return segments.segment(text)
    except segments.TooLong:
        return None


def _departure(recipient: Recipient, draft: Draft, now: datetime) -> Departure:
    asked = draft.deferred_to or now
    if draft.commercial and settings.SMS_COMMERCIAL_WINDOW:
        return next_opening(
            asked,
            e164=recipient.e164,
            region=recipient.region,
            window=DEFAULT_WINDOW,
            default_zone=draft.account.zone,
        )
    return Departure(at=asked, postponed=False, code="", reason=None, zone=draft.account.zone)
