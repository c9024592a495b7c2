"""From which number each message of a batch leaves, and so by which gateways it can.

A name leaves by any gateway that carries it. A short number is found for the recipient and the gateway, so a message
that goes on to another gateway gets one of that. A virtual number with a gateway leaves by that one only, and has a
capacity: messages a day.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time, timedelta

from django.conf import settings
from django.utils import timezone

from compose.models import Message
from senders import queries
from senders.models import Sender, ShortNumber, VirtualNumber
from senders.pool import Pool

WAIT_FOR_NUMBER = timedelta(minutes=5)
# The administrator may raise a capacity: its messages do not wait for midnight to notice.
WAIT_FOR_DAY = timedelta(hours=1)


def virtual_numbers(rows: Collection[Message]) -> dict[int, VirtualNumber | None]:
    """For each submission (by its key) whose sender is a virtual number: the number, None when it is not the account's.

    One query; none where there is no such sender.
    """
    each = {row.submission_id: row for row in rows}.values()
    asked = [row for row in each if row.submission.sender.kind == Sender.Kind.VIRTUAL]
    found = queries.virtual_numbers({row.submission.sender.value for row in asked})
    return {row.submission_id: _owned(found.get(row.submission.sender.value), row.account_id) for row in asked}


class Originators:
    """The numbers as they are for one claim; make it in its transaction.

    What is limited is locked until that ends, virtual numbers before short ones.
    """

    def __init__(self, rows: Sequence[Message], virtual: Mapping[int, VirtualNumber | None], now: datetime) -> None:
        self._now = now
        self._today = timezone.localdate(now)
        self._until = now + timedelta(hours=settings.SMS_REPLY_WINDOW_HOURS)
        each = {row.submission_id: row for row in rows}
        senders = {key: row.submission.sender for key, row in each.items()}
        mine = {key: number for key in senders if (number := virtual.get(key)) is not None}
        limited = {number.pk for number in mine.values() if number.capacity is not None}
        # Read again with the lock: another claim may have counted since.
        locked = {number.pk: number for number in queries.locked_virtual_numbers(limited)}
        self._virtual = {key: locked.get(number.pk, number) for key, number in mine.items()}
        # Of each submission whose messages are all from the same: what that is.
        self._fixed = {key: sender.value for key, sender in senders.items() if not sender.is_pool}
        self._counted: dict[int, VirtualNumber] = {}
        pooled = [row for row in rows if row.submission_id not in self._fixed]
        self._pool = (
            Pool(
                recipients={row.recipient for row in pooled},
                commercial={row.submission.commercial for row in pooled},
                now=now,
            )
            if pooled
            else None
        )

    def served(self, row: Message, gateways: Sequence[str]) -> tuple[str, ...]:
        """Those of the gateways for which there is a number at all, free or not."""
        if self._pool is None or row.submission_id in self._fixed:
            return tuple(gateways)
        commercial = row.submission.commercial
        return tuple(name for name in gateways if self._pool.serves(commercial=commercial, gateway=name))

    def waits(self, row: Message) -> tuple[datetime, str] | None:
        """Until when the message waits for its own number, and the reason (compose/reasons.py); None: it need not."""
        number = self._virtual.get(row.submission_id)
        if number is None:
            return None
        if not number.enabled:
            return self._now + WAIT_FOR_NUMBER, "number_disabled"
        if number.capacity is None or self._counts_already(row, number) or self._sent(number) < number.capacity:
            return None
        return min(self._tomorrow(), self._now + WAIT_FOR_DAY), "number_full"

    def at(self, row: Message, gateway: str) -> ShortNumber | str | None:
        """What the message would leave from by this gateway; None when no number is free there."""
        fixed = self._fixed.get(row.submission_id)
        if fixed is not None or self._pool is None:
            return fixed
        return self._pool.find(
            account_id=row.account_id,
            recipient=row.recipient,
            commercial=row.submission.commercial,
            gateway=gateway,
        )

    def kept(self, row: Message, found: ShortNumber | str) -> bool:
        """Whether the account has this number with this recipient already."""
        if self._pool is None or isinstance(found, str):
            return True
        return self._pool.holds(found, account_id=row.account_id, recipient=row.recipient)

    def take(self, row: Message, found: ShortNumber | str) -> None:
        """The message leaves from what `at` found."""
        number = self._virtual.get(row.submission_id)
        if number is not None and number.capacity is not None and not self._counts_already(row, number):
            number.sent_on, number.sent = self._today, self._sent(number) + 1
            self._counted[number.pk] = number
        if self._pool is not None and isinstance(found, ShortNumber):
            self._pool.take(found, account_id=row.account_id, recipient=row.recipient, until=self._until)
        row.originator = str(found)

    def keep(self) -> None:
        """Write which numbers are held and how much left from the limited ones: one statement for each of the two."""
        VirtualNumber.objects.bulk_update(self._counted.values(), ["sent_on", "sent"])
        if self._pool is not None:
            self._pool.keep()

    def _counts_already(self, row: Message, number: VirtualNumber) -> bool:
        """An attempt that certainly did not leave is made again: the message counts once."""
        return row.originator == number.number

    def _sent(self, number: VirtualNumber) -> int:
        return number.sent if number.sent_on == self._today else 0

    def _tomorrow(self) -> datetime:
        return timezone.make_aware(datetime.combine(self._today + timedelta(days=1), time.min))


def _owned(number: VirtualNumber | None, account_id: int) -> VirtualNumber | None:
    return number if number is not None and number.account_id == account_id else None
