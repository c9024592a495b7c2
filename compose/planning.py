"""What a draft means before it is sent: text, segments, price, departures. `submit` sends what `plan` says."""

import unicodedata
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from compose import carried, segments
from compose.cautions import cautions
from compose.numbers import Recipient
from compose.optouts import opted_out
from compose.terms import Leaving, Terms, terms_for
from credits.models import Account
from credits.rates import rates_for
from credits.regions import name_of
from senders.models import Sender
from senders.rules import gets_stop_clause, refusals

# How far ahead a message may be deferred: beyond a year a date is a slip of the finger.
FARTHEST = timedelta(days=366)
# More countries than this are not named in a sentence.
MOST_COUNTRIES = 3
# What says whether a sender is available.
OF_AVAILABLE = ("account_id", "status", "deleted_at")
# Spaces, controls, zero-width characters and direction marks, by their category in Unicode; and what has another
# category and is not seen either: fillers of Hangul, the blank of Braille, joiners and variation selectors.
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(map(chr, range(0xFE00, 0xFE10)))


class Refused(Exception):
    """The message cannot be submitted. `field` is the form's field, `sentence` says why to the user.

    `code` is "reach" where the sender does not reach a recipient's country, else "".
    """

    def __init__(self, field: str | None, sentence: str | Promise, *, code: str = "") -> None:
        super().__init__(str(sentence))
        self.field = field
        self.sentence = sentence
        self.code = code


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
class Plan:
    """What a draft means: the text that is counted, priced, previewed and sent, and when each message leaves.

    `excluded` are the recipients of a commercial draft who are on the STOP list: nothing goes to them and nothing
    is paid. `warnings` are sentences that forbid nothing.
    """

    draft: Draft
    text: str
    segmentation: segments.Segmentation
    leaving: tuple[Leaving, ...]
    excluded: tuple[Recipient, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Mapping[Terms, int]:
        """How many messages go on the same terms, in the order in which these first come."""
        return Counter(one.terms for one in self.leaving)

    @property
    def price(self) -> int:
        return sum(terms.price * count for terms, count in self.counts.items())

    @property
    def sms(self) -> int:
        return self.segmentation.count * len(self.leaving)


def plan(draft: Draft, *, now: datetime) -> Plan:
    """Work out what submitting `draft` at `now` would send, when and for how much.

    Raises Refused with the field and a sentence when it could not be submitted; credit is not looked at.
    """
    if not draft.recipients:
        raise Refused("recipients", _("Enter at least one mobile number."))
    if says_nothing(draft.body):
        raise Refused("text", _("Write a message: it is empty or holds only spaces."))
    _check_sender(draft, draft.sender)
    check_moment(draft.deferred_to, now=now)
    text, segmentation = _segmented(draft)
    # A number that is there twice gets the message once.
    recipients = list({recipient.e164: recipient for recipient in draft.recipients}.values())
    gone = _gone(draft, [recipient.e164 for recipient in recipients])
    kept = [recipient for recipient in recipients if recipient.e164 not in gone] if gone else recipients
    if not kept:
        raise _everybody_is_gone(len(recipients))
    counts = Counter(recipient.region for recipient in kept)
    _check_carried(draft, counts)
    _check_reach(draft, counts)
    asked = draft.deferred_to or now
    return Plan(
        draft=draft,
        text=text,
        segmentation=segmentation,
        leaving=terms_for(
            kept,
            asked=asked,
            commercial=draft.commercial,
            zone=draft.account.zone,
            parts=segmentation.count,
            rates=rates_for(counts, asked),
        ),
        excluded=tuple(recipient for recipient in recipients if recipient.e164 in gone) if gone else (),
        warnings=cautions(
            kind=draft.sender.kind, body=draft.body, country=draft.account.country, parts=segmentation.count
        ),
    )


def looked_at_again(planned: Plan, *, now: datetime) -> Plan:
    """`planned` as it stands at `now`, in the transaction that stores it: what others may have changed since.

    The sender may be disabled or deleted, the moment may have come, recipients may have opted out. Text, price and
    departures stay as the page showed them. Raises Refused.
    """
    draft = planned.draft
    _check_sender(draft, next(iter(Sender.objects.filter(pk=draft.sender.pk).order_by().only(*OF_AVAILABLE)), None))
    check_moment(draft.deferred_to, now=now)
    gone = _gone(draft, [one.recipient.e164 for one in planned.leaving])
    if not gone:
        return planned
    leaving = tuple(one for one in planned.leaving if one.recipient.e164 not in gone)
    if not leaving:
        raise _everybody_is_gone(len(planned.leaving) + len(planned.excluded))
    excluded = (one.recipient for one in planned.leaving if one.recipient.e164 in gone)
    return replace(planned, leaving=leaving, excluded=(*planned.excluded, *excluded))


def says_nothing(body: str) -> bool:
    """Whether nothing of the text would be seen: it is empty or holds only spaces and invisible characters."""
    return all(character in _BLANK or unicodedata.category(character) in _UNSEEN for character in body)


def _gone(draft: Draft, numbers: list[str]) -> set[str]:
    """Those of the numbers that are on the STOP list and so receive no commercial message."""
    return opted_out(draft.account.pk, numbers) if draft.commercial else set()


def _everybody_is_gone(count: int) -> Refused:
    sentence = ngettext(
        "This number is on the STOP list and receives no commercial message. Your message is kept.",
        "All these numbers are on the STOP list and receive no commercial message. Your message is kept.",
        count,
    )
    return Refused("recipients", sentence)


def check_moment(deferred_to: datetime | None, *, now: datetime) -> None:
    """Refuse a moment to which no message can be deferred: one that is past, or too far away. Raises Refused."""
    if deferred_to is None:
        return
    if deferred_to <= now:
        raise Refused("time", _("This moment is past. Choose a later one, or send the message now."))
    if deferred_to > now + FARTHEST:
        raise Refused("date", _("This is more than a year ahead. Choose an earlier date."))


def _check_sender(draft: Draft, sender: Sender | None) -> None:
    """Looked at by the verb too: between the page and the click a sender may be disabled or deleted."""
    available = (
        sender is not None
        and (sender.is_pool or sender.account_id == draft.account.pk)
        and sender.status == Sender.Status.ENABLED
        and sender.deleted_at is None
    )
    if not available:
        raise Refused(
            "sender", _("This sender is not available in your account. Choose another one; your message is kept.")
        )


def _check_carried(draft: Draft, counts: Mapping[str, int]) -> None:
    """What no gateway declares is refused before anything is sent; `counts` has the recipients by region."""
    found = carried.refused(
        counts,
        account_id=draft.account.pk,
        sender=draft.sender,
        message_class=draft.message_class,
        commercial=draft.commercial,
    )
    if found is None:
        return
    regions, field, reason = found
    if len(regions) == len(counts):
        raise Refused(field, reason)
    count = sum(counts[region] for region in regions)
    sentence = ngettext(
        "%(reason)s This concerns %(count)d number in these countries: %(countries)s. Take it out, or choose another "
        "sender or type; your message is kept.",
        "%(reason)s This concerns %(count)d numbers in these countries: %(countries)s. Take them out, or choose "
        "another sender or type; your message is kept.",
        count,
    ) % {"reason": reason, "count": count, "countries": _named(regions, counts)}
    raise Refused(field, sentence)


def _check_reach(draft: Draft, counts: Mapping[str, int]) -> None:
    """Refuse a sender that does not reach the country of a recipient; `counts` has the recipients by region."""
    refused = refusals([draft.sender.kind], counts)
    if not refused:
        return
    regions = {region for _kind, region in refused}
    count = sum(counts[region] for region in regions)
    if len(regions) == 1:
        sentence = ngettext(
            "%(reason)s Choose another sender, or take the number out; your message is kept.",
            "%(reason)s This concerns %(count)d numbers. Choose another sender, or take them out; your message is "
            "kept.",
            count,
        ) % {"reason": refused[draft.sender.kind, next(iter(regions))], "count": count}
    else:
        sentence = _(
            "Messages from this sender are not delivered in these countries: %(countries)s (%(count)d numbers). "
            "Choose another sender, or take the numbers out; your message is kept."
        ) % {"countries": _named(regions, counts), "count": count}
    raise Refused("sender", sentence, code="reach")


def _named(regions: Collection[str], counts: Mapping[str, int]) -> str:
    """The names of the regions, those with the most recipients first, and no more than MOST_COUNTRIES."""
    names = [name_of(region) for region in sorted(regions, key=lambda region: (-counts[region], region))]
    return ", ".join(names[:MOST_COUNTRIES] + ["…"] * (len(names) > MOST_COUNTRIES))


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
