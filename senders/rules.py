"""What a sender's kind means: the form of its value, the STOP clause, and which countries it reaches."""

import re
from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from credits.mobiles import read_number
from credits.regions import name_of
from senders.models import DestinationRule, Sender, VirtualNumber

Kind = Sender.Kind
# An alphanumeric originator: up to 11 characters (3GPP TS 23.040 section 9.1.2.5), of those that operators take.
NAME = re.compile(r"[A-Za-z0-9 .,&+_-]{1,11}")
SHORT = re.compile(r"[0-9]{3,8}")
UNREACHED: dict[str, Promise] = {
    Kind.SHORT: _("A message from a short number is not delivered in this country: %(country)s."),
    Kind.VIRTUAL: _("A message from a virtual number is not delivered in this country: %(country)s."),
    Kind.ALPHANUMERIC: _("A message from a name is not delivered in this country: %(country)s."),
    Kind.NUMERIC: _("A message from a number is not delivered in this country: %(country)s."),
}


def checked_value(kind: str, value: str, *, country: str) -> str:
    """The value of a sender as it is kept: a number in E.164, a name or a short number as typed.

    Raises ValidationError with a sentence when the kind does not allow it. `country` is the account's.
    """
    if kind == Kind.ALPHANUMERIC:
        return _name(value)
    if kind == Kind.SHORT:
        if not SHORT.fullmatch(value):
            raise ValidationError(_("A short number has 3 to 8 digits."))
        return value
    number = read_number(value, country)
    if number is None:
        raise ValidationError(_("This is not a valid number. Write it in international format, like +33612345678."))
    return number


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValidationError(
            _("A name has 1 to 11 characters: letters without accents, digits, space and - . , & + _")
        )
    if not any(character.isalpha() for character in value):
        raise ValidationError(_("A name needs at least one letter; digits alone would look like a telephone number."))
    return value


def gets_stop_clause(kind: str) -> bool:
    """Whether a commercial message from this kind of sender carries the STOP clause.

    The recipient of a short or virtual number can answer STOP to it; a name cannot be answered.
    """
    return kind in (Kind.ALPHANUMERIC, Kind.NUMERIC)


def gateway_of(sender: Sender) -> str:
    """The gateway that alone sends from this sender, "" for any. A query for a virtual number, else none."""
    if sender.kind != Kind.VIRTUAL:
        return ""
    return VirtualNumber.objects.filter(number=sender.value).values_list("gateway", flat=True).first() or ""


def refusals(kinds: Collection[str], regions: Collection[str]) -> dict[tuple[str, str], str]:
    """Why a kind of sender does not reach a country, by (kind, region); a pair that is not in it is not refused.

    The sentences are in the reader's language: the country's name, and the rule's note behind it. One query;
    none when either collection is empty. The rules are the administrator's (`DestinationRule`), read each time.
    """
    wanted, within = set(kinds), set(regions)
    if not wanted or not within:
        return {}
    # The table is short and the regions of a large message are many: the database is asked for the kinds only.
    rules = DestinationRule.objects.filter(kind__in=wanted, allowed=False).order_by()
    return {
        (kind, region): _refusal(kind, region, note)
        for kind, region, note in rules.values_list("kind", "region", "note")
        if region in within
    }


def _refusal(kind: str, region: str, note: str) -> str:
    sentence = str(UNREACHED[kind]) % {"country": name_of(region)}
    return f"{sentence} {said(note)}".strip()


def said(note: str) -> str:
    """A rule's note in the reader's language, where it is one that the product brings; otherwise as it was typed."""
    return gettext(note) if note else ""
