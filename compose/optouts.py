"""The STOP list of an account: the numbers that receive no commercial message.

The database holds that a number is on the list once. Who adds to the list takes the account's row first: two
people who add the same number at once add it once, and each is told the truth about what they added.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from compose.models import E164, Message, OptOut
from compose.searching import holds
from credits.models import Account

# How many numbers one query asks about: below what SQLite takes as parameters (32 766).
_ASKED_AT_ONCE = 10_000
# From so many numbers on, reading a list that is no longer than the question costs less than asking.
_READ_FROM = 1_000
_ADDED_AT_ONCE = 1_000
_IS_E164 = re.compile(E164)


def opted_out(account_id: int, numbers: Collection[str]) -> set[str]:
    """Those of `numbers` (E.164) that are on the account's list now; a query for each 10 000 numbers, and one."""
    wanted = list(dict.fromkeys(numbers))
    rows = OptOut.objects.filter(account_id=account_id, removed_at=None)
    if len(wanted) >= _READ_FROM:
        listed_now = set(rows.order_by().values_list("number", flat=True)[: len(wanted) + 1])
        if len(listed_now) <= len(wanted):
            return listed_now.intersection(wanted)
    found: set[str] = set()
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        found.update(
            rows.filter(number__in=wanted[start : start + _ASKED_AT_ONCE]).values_list("number", flat=True).order_by()
        )
    return found


def entry(account: Account, number: str) -> OptOut | None:
    """The entry by which `number` (E.164) is on the account's list now; None when it is not."""
    return OptOut.objects.filter(account=account, number=number, removed_at=None).first()


def opt_out(
    account: Account,
    numbers: Iterable[str],
    *,
    source: str,
    by: Any = None,
    note: str = "",
    message: Message | None = None,
) -> int:
    """Put `numbers` (E.164) on the account's list and return how many were not on it before.

    Doing it again adds nothing, and what is on the list keeps its date, source and note. `source` is one of
    OptOut.Source; `by` is the person, None for an answer; `message` is the sent message that was answered.
    A thousand numbers at a time, each thousand in a transaction of its own, so that a long list keeps nobody
    else waiting; after an interruption, doing it again adds the rest.
    Raises ValueError, and adds nothing, when a number is not in the form of E.164.
    """
    wanted = list(dict.fromkeys(numbers))
    for number in wanted:
        if not _IS_E164.match(number):
            raise ValueError(f"{number!r} is not a number in E.164")
    given = {
        "account_id": account.pk,
        "source": source,
        "note": note,
        "created_by_id": by.pk if by else None,
        "message_id": message.pk if message else None,
    }
    batches = (wanted[start : start + _ADDED_AT_ONCE] for start in range(0, len(wanted), _ADDED_AT_ONCE))
    return sum(_add(account.pk, batch, given) for batch in batches)


@transaction.atomic
def _add(account_id: int, numbers: list[str], given: dict[str, Any]) -> int:
    # The row is held, not changed: no_key lets messages of the account be written meanwhile. SQLite has no
    # locks of rows; there the transaction itself waits for its turn.
    Account.objects.select_for_update(no_key=True).get(pk=account_id)
    listed_already = opted_out(account_id, numbers)
    new = [OptOut(number=number, **given) for number in numbers if number not in listed_already]
    OptOut.objects.bulk_create(new)
    return len(new)


def take_off(account: Account, pk: int, *, by: Any, reason: str) -> bool:
    """Take a number off the account's list; its row stays, with who did it, when and why.

    False when the account has no such row or somebody took it off before. Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("a number leaves the list for a reason")
    return bool(
        OptOut.objects.filter(account=account, pk=pk, removed_at=None).update(
            removed_at=timezone.now(), removed_by=by, removal_reason=reason.strip()
        )
    )


def listed(account: Account, text: str = "") -> QuerySet[OptOut]:
    """The numbers on the account's list, those whose number or note holds `text`; each with who added it."""
    rows = OptOut.objects.filter(account=account, removed_at=None).select_related("created_by")
    if text:
        rows = rows.filter(holds(text, words="note", number="number"))
    return rows
