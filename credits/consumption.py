"""What an account spent, day by day, for the plot of its Credits page."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import BigIntegerField, Case, F, Q, Sum, When
from django.db.models.functions import TruncDate

from credits.models import Account, Transfer
from credits.statement import Books

DAYS = 30
# What comes to the book of what is spent; what leaves it was given back.
SPENDING = (Transfer.Verb.CAPTURE, Transfer.Verb.CHARGE)


@dataclass(frozen=True)
class Day:
    """A day of the account's own calendar and the millis spent on it, below zero when more was given back."""

    date: date
    millis: int


def daily(account: Account, books: Books, *, now: datetime, days: int = DAYS) -> list[Day]:
    """The last `days` days in the account's time zone, oldest first, today included; one query."""
    today = now.astimezone(account.zone).date()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, time.min, tzinfo=account.zone)
    came = Q(credit=books.spent_pk, verb__in=SPENDING, created_at__gte=since)
    went = Q(debit=books.spent_pk, created_at__gte=since)
    change = Case(When(credit=books.spent_pk, then=F("amount")), default=-F("amount"), output_field=BigIntegerField())
    rows = (
        Transfer.objects.filter(came | went)
        .order_by()
        .values_list(TruncDate("created_at", tzinfo=account.zone))
        .annotate(total=Sum(change))
    )
    found = dict(rows)
    return [Day(day, found.get(day, 0)) for day in (first + timedelta(days=n) for n in range(days))]
