"""What the compose page says before the click: to whom, when, for how much, and who is left out."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise

from compose.numbers import Recipient
from compose.planning import Plan
from credits import queries as credit_queries

# More lines than this are counted rather than shown.
MOST_MOMENTS, MOST_DESTINATIONS, MOST_EXCLUDED = 6, 6, 20


@dataclass(frozen=True)
class Moment:
    """So many messages leave then; `reason` says why not at the moment that was asked for.

    `zone` is the recipients' where their clocks show another time than the account's, else "".
    """

    at: datetime
    count: int
    postponed: bool
    reason: str | Promise | None
    zone: str


@dataclass(frozen=True)
class Destination:
    """So many recipients in a country, at so many millis for each SMS."""

    region: str
    count: int
    rate: int


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What sending would do. Amounts in millis.

    `rates` is what one SMS to each recipient costs in all. Of `moments`, `destinations` and `excluded` the first
    few; `later` messages leave after those moments, `elsewhere` is the number of countries not shown.
    """

    recipients: int
    duplicates: int
    sms: int
    price: int
    rates: int
    balance_after: int
    missing: int
    moments: tuple[Moment, ...]
    later: int
    now: bool
    zone: str
    destinations: tuple[Destination, ...]
    elsewhere: int
    excluded: tuple[Recipient, ...]
    excluded_count: int
    warnings: tuple[str | Promise, ...]


def quote(planned: Plan, *, duplicates: int, given_back: int = 0) -> Quote:
    """What `planned` means, beside what the account has and `given_back` millis of what it replaces."""
    draft = planned.draft
    after = credit_queries.available(draft.account) + given_back - planned.price
    moments, destinations = _moments(planned), _destinations(planned)
    return Quote(
        recipients=len(planned.leaving),
        duplicates=duplicates,
        sms=planned.sms,
        price=planned.price,
        rates=sum(terms.rate * count for terms, count in planned.counts.items()),
        balance_after=after,
        missing=max(0, -after),
        moments=tuple(moments[:MOST_MOMENTS]),
        later=sum(moment.count for moment in moments[MOST_MOMENTS:]),
        now=draft.deferred_to is None and not any(moment.postponed for moment in moments),
        zone=draft.account.time_zone,
        destinations=tuple(destinations[:MOST_DESTINATIONS]) if len(destinations) > 1 else (),
        elsewhere=max(0, len(destinations) - MOST_DESTINATIONS),
        excluded=planned.excluded[:MOST_EXCLUDED],
        excluded_count=len(planned.excluded),
        warnings=planned.warnings,
    )


def _moments(planned: Plan) -> list[Moment]:
    """The moments of departure, earliest first, those of other zones apart where their clocks show another time."""
    home = planned.draft.account.zone
    counts: Counter[tuple[datetime, str, str]] = Counter()
    reasons: dict[str, str | Promise | None] = {}
    for terms, count in planned.counts.items():
        leaves = terms.departure
        elsewhere = leaves.at.astimezone(leaves.zone).utcoffset() != leaves.at.astimezone(home).utcoffset()
        counts[leaves.at, leaves.zone.key if elsewhere else "", leaves.code] += count
        reasons[leaves.code] = leaves.reason
    return [Moment(at, count, bool(code), reasons[code], zone) for (at, zone, code), count in sorted(counts.items())]


def _destinations(planned: Plan) -> list[Destination]:
    """The countries of the recipients, the most frequent first."""
    counts: Counter[tuple[str, int]] = Counter()
    for terms, count in planned.counts.items():
        counts[terms.region, terms.rate] += count
    return [Destination(region, count, rate) for (region, rate), count in counts.most_common()]
