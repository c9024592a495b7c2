"""E-mails about credits: written in the transaction that is their reason, sent after it by a task.

So a letter is written once for its reason, a rolled-back reason writes none, and a mail server that is away is
asked again later, once for all letters that wait. A letter that fails for its own address or text waits alone. A
process that dies between sending and noting it sends that one letter again.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from smtplib import (
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone, translation
from django.utils.functional import Promise

from credits.models import Account, Letter, Member

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]

# Of a run of the task: so many letters at most, and none is begun after so many seconds. The time-out of one letter
# (EMAIL_TIMEOUT for each word of the mail server) stands between this and the lease.
BATCH, MOST_SECONDS = 50, 60.0
LEASE = timedelta(minutes=10)
LONGEST_KEY = Letter._meta.get_field("key").max_length or 0
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=6)
# What a mail server says when it ends the connection (RFC 5321, 3.8).
ENDS = 421


def to_owners(account: Account, *, key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """Write to each owner of the account. `key` names the occasion: the same writes nothing more.

    `subject` and `body` are lazy translations with places for `values`.
    """
    owners = Member.objects.filter(account=account, role=Member.Role.OWNER, user__is_active=True)
    _write(owners.values_list("user__email", flat=True), key, subject, body, values)


def to_administrators(*, key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """Write to SMSMANAGER_ADMINS, or to every superuser where that is empty; the rest is as for `to_owners`."""
    _write(administrators(), key, subject, body, values)


def to_person(address: str, *, key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """Write to one person, who may have no address; the rest is as for `to_owners`."""
    _write([address], key, subject, body, values)


def administrators() -> list[str]:
    """The addresses of SMSMANAGER_ADMINS, or of every superuser where that is empty; none when there is none."""
    named = [address for _name, address in settings.ADMINS]
    superusers = get_user_model().objects.filter(is_superuser=True, is_active=True).exclude(email="")
    return named or list(superusers.values_list("email", flat=True))


def _write(addresses: Iterable[str], key: str, subject: Promise, body: Promise, values: Mapping[str, Any]) -> None:
    """The letters in the language of the installation: nobody's browser is here to say another."""
    now = timezone.now()
    with translation.override(settings.LANGUAGE_CODE):
        line, text = " ".join(str(subject % values).split())[:200], str(body % values)
        written = [
            Letter(key=_key(key, address), to=address, subject=line, body=text, look_at=now)
            for address in sorted({address for address in addresses if address})
        ]
    if not written:
        log.warning("Nobody has an address for the letter %s", key)
    Letter.objects.bulk_create(written, ignore_conflicts=True)


def _key(occasion: str, address: str) -> str:
    """The letter's key: as it is where it fits, else its beginning and a digest of the whole (RFC 7693, BLAKE2s)."""
    key = f"{occasion}:{address}"
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.blake2s(key.encode()).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}:{digest}"


def send_waiting(*, clock: Clock = timezone.now) -> int:
    """Send the letters that wait and return how many went. No transaction is open while the mail server is asked.

    All go over one connection, made again when the server ends it. When none can be made all of them wait; what there
    is no time for is left to the next run.
    """
    rows, ends = _taken(clock()), time.monotonic() + MOST_SECONDS
    sent = 0
    connection = get_connection()
    try:
        for place, row in enumerate(rows):
            if time.monotonic() > ends:
                _leave(rows[place:], clock())
                break
            try:
                # Nothing where it is open.
                connection.open()
            except (SMTPException, OSError) as error:
                log.warning("No letter could be sent, as the mail server is away (%s)", error)
                for waiting in rows[place:]:
                    _again_later(waiting, clock())
                break
            try:
                EmailMessage(row.subject, row.body, to=[row.to], connection=connection).send()
            except (SMTPException, OSError, ValueError) as error:
                # ValueError: an address that no e-mail can have, as the list of administrators may hold.
                wait = _again_later(row, clock())
                log.warning("The letter %d could not be sent (%s); it is tried again in %s", row.pk, error, wait)
                if _broken(error):
                    _close(connection)
            else:
                Letter.objects.filter(pk=row.pk).update(sent_at=clock(), tries=row.tries + 1)
                sent += 1
    finally:
        _close(connection)
    return sent


def _taken(now: datetime) -> list[Letter]:
    """The letters of this run, which nobody else takes until the lease ends."""
    with transaction.atomic():
        rows = list(
            Letter.objects.select_for_update(skip_locked=True)
            .filter(sent_at=None, look_at__lte=now)
            .order_by("look_at", "pk")[:BATCH]
        )
        Letter.objects.filter(pk__in=[row.pk for row in rows]).update(look_at=now + LEASE)
    return rows


def _leave(rows: list[Letter], now: datetime) -> None:
    log.warning("%d letters are left to the next run: the mail server is slow", len(rows))
    Letter.objects.filter(pk__in=[row.pk for row in rows]).update(look_at=now)


def _again_later(row: Letter, now: datetime) -> timedelta:
    wait: timedelta = min(FIRST_RETRY * 2 ** min(row.tries, 10), LONGEST_RETRY)
    Letter.objects.filter(pk=row.pk).update(tries=row.tries + 1, look_at=now + wait)
    return wait


def _broken(error: Exception) -> bool:
    """Whether the connection is of no more use after this; what is wrong with one letter leaves it as it is."""
    if isinstance(error, SMTPRecipientsRefused):
        return any(code == ENDS for code, _words in error.recipients.values())
    if isinstance(error, SMTPResponseException):
        return isinstance(error, SMTPConnectError) or error.smtp_code == ENDS
    # SMTPException is an OSError itself.
    return isinstance(error, SMTPServerDisconnected) or not isinstance(error, (SMTPException, ValueError))


def _close(connection: BaseEmailBackend) -> None:
    try:
        connection.close()
    except (SMTPException, OSError) as error:
        # The letters that went are gone; a server that does not answer "quit" takes none of them back.
        log.warning("The mail server did not end its connection well (%s)", error)
