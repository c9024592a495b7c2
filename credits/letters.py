"""E-mails about credits: written in the transaction that is their reason, sent after it by a task.

So a letter is written once for its reason, a rolled-back reason writes none, and a mail server that is away is
asked again later. A process that dies between sending and noting it sends that one letter again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone, translation
from django.utils.functional import Promise

from credits.models import Account, Letter, Member

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]

BATCH = 50
LEASE = timedelta(minutes=10)
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=6)


def to_owners(account: Account, *, key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """Write to each owner of the account. `key` names the occasion: the same writes nothing more.

    `subject` and `body` are lazy translations with places for `values`.
    """
    owners = Member.objects.filter(account=account, role=Member.Role.OWNER, user__is_active=True)
    _write(owners.values_list("user__email", flat=True), key, subject, body, values)


def to_administrators(*, key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """Write to SMSMANAGER_ADMINS, or to every superuser where that is empty; the rest is as for `to_owners`."""
    named = [address for _name, address in settings.ADMINS]
    superusers = get_user_model().objects.filter(is_superuser=True, is_active=True)
    _write(named or superusers.values_list("email", flat=True), key, subject, body, values)


def _write(addresses: Iterable[str], key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """The letters in the language of the installation: nobody's browser is here to say another."""
    now = timezone.now()
    with translation.override(settings.LANGUAGE_CODE):
        line, text = " ".join(str(subject % values).split())[:200], str(body % values)
        written = [
            Letter(key=f"{key}:{address}"[:160], to=address, subject=line, body=text, look_at=now)
            for address in sorted({address for address in addresses if address})
        ]
    if not written:
        log.warning("Nobody has an address for the letter %s", key)
    Letter.objects.bulk_create(written, ignore_conflicts=True)


def send_waiting(*, clock: Clock = timezone.now) -> int:
    """Send the letters that wait and return how many went. No transaction is open while the mail server is asked."""
    now = clock()
    with transaction.atomic():
        rows = list(
            Letter.objects.select_for_update(skip_locked=True)
            .filter(sent_at=None, look_at__lte=now)
            .order_by("look_at", "pk")[:BATCH]
        )
        # Nobody else takes them until the lease ends.
        Letter.objects.filter(pk__in=[row.pk for row in rows]).update(look_at=now + LEASE)
    return sum(_send(row, clock) for row in rows)


def _send(row: Letter, clock: Clock) -> bool:
    try:
        send_mail(row.subject, row.body, None, [row.to])
    except (SMTPException, OSError, ValueError) as error:
        # ValueError: an address that no e-mail can have, as the list of administrators may hold. Others go on.
        wait = min(FIRST_RETRY * 2 ** min(row.tries, 10), LONGEST_RETRY)
        log.warning("The letter %d could not be sent (%s); it is tried again in %s", row.pk, error, wait)
        Letter.objects.filter(pk=row.pk).update(tries=row.tries + 1, look_at=clock() + wait)
        return False
    Letter.objects.filter(pk=row.pk).update(sent_at=clock(), tries=row.tries + 1)
    return True
