"""On what terms a message goes to each recipient: when it leaves and what it costs.

Numbers of one region share their terms, or those of one time zone where a number tells its zone; so they are
worked out once for each of these and not for each of a hundred thousand recipients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from compose.numbers import Recipient
from compose.schedule import Departure, next_opening
from compose.windows import window_for
from compose.zones import UTC_ZONE, numbers_tell_zones, zones_of


# Compared by identity: those who share their terms share the object.
@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """What the messages to some recipients have in common; `rate` for each part and `price` in millis."""

    region: str
    departure: Departure
    rate: int
    price: int


class Leaving(NamedTuple):
    """A recipient who gets a message, and the terms on which it goes."""

    recipient: Recipient
    terms: Terms

    @property
    def departure(self) -> Departure:
        return self.terms.departure

    @property
    def rate(self) -> int:
        return self.terms.rate

    @property
    def price(self) -> int:
        return self.terms.price


def terms_for(
    recipients: Sequence[Recipient],
    *,
    asked: datetime,
    commercial: bool,
    zone: ZoneInfo,
    parts: int,
    rates: dict[str, int],
) -> tuple[Leaving, ...]:
    """Each of `recipients` with the terms of a message of so many `parts` that is to leave at the moment `asked`.

    `rates` has the price of a part (millis) for each region; `zone` is that of the account, for regions without
    one. Commercial messages wait for the window of their region.
    """
    known: dict[str | tuple[str, tuple[ZoneInfo, ...]], Terms] = {}
    tells = {region: commercial and numbers_tell_zones(region) for region in rates}
    leaving = []
    for recipient in recipients:
        region = recipient.region
        key = (region, zones_of(region, recipient.e164)) if tells[region] else region
        terms = known.get(key)
        if terms is None:
            departure = departure_of(recipient.e164, region, asked=asked, commercial=commercial, zone=zone)
            rate = rates[region]
            terms = known[key] = Terms(region=region, departure=departure, rate=rate, price=parts * rate)
        leaving.append(Leaving(recipient, terms))
    return tuple(leaving)


def departure_of(e164: str, region: str, *, asked: datetime, commercial: bool, zone: ZoneInfo = UTC_ZONE) -> Departure:
    """When a message to this number leaves that is to leave at the moment `asked`; `zone` where none is known."""
    window = window_for(region) if commercial else None
    if window is None:
        return Departure(at=asked, postponed=False, code="", reason=None, zone=zone)
    return next_opening(asked, e164=e164, region=region, window=window, default_zone=zone)
