"""What an account wants done when a message arrives: written with the message, done after it by a task.

So a thing is to be done once for its reason, a message that is rolled back causes nothing, and what fails keeps no
message from being received. Calls to addresses are made by inbox/hook_deliveries.py: they take their time. Here is what
needs the database alone: letters are handed to the outbox (credits/letters.py), answers to `submit`.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from compose import nudges
from compose.away import AWAY, let_go
from credits import days, letters
from credits.models import Account
from inbox import automatic_answers
from inbox.automatic_answers import Outcome
from inbox.models import Reaction, ReactionSettings, Received
from inbox.stops import Stop

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
Kind, State = Reaction.Kind, Reaction.State
BATCH: Final = 100
FIRST_RETRY, LONGEST_RETRY, GIVE_UP = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24)
TASK: Final = "inbox.tasks.react"
_SUBJECT = _("SMS from %(number)s to %(account)s")
_BODY = _(
    "%(number)s wrote to %(to)s on %(when)s:\n\n%(text)s\n\n%(link)s"
    "You get this e-mail because an owner of the SMS account %(account)s has received SMS forwarded to this address."
)
_LINK = _("The conversation: %(address)s")


def queue(came: Received, *, stop: Stop, now: datetime) -> None:
    """Write down what is to be done because of this received message, in the running transaction.

    A request for no more messages, or any other word that a vendor acts on, gets no automatic answer.
    """
    if came.account_id is None:
        return
    chosen = ReactionSettings.objects.filter(account=came.account_id).first() or ReactionSettings()
    wanted: list[tuple[str, str, str]] = [
        (Kind.EMAIL, f"email:{came.pk}:{hashlib.sha256(address.encode()).hexdigest()[:32]}", address)
        for address in chosen.addresses
    ]
    if chosen.url:
        wanted.append((Kind.CALL, f"call:{came.pk}", ""))
    if chosen.answer and not stop.keyword:
        # One key for a conversation and a day: of two that arrive at once, one is answered.
        day = now.astimezone(chosen.account.zone).date()
        wanted.append((Kind.ANSWER, f"answer:{came.account_id}:{came.number}:{day}", came.number))
    if stop.new and settings.SMS_STOP_CONFIRMATION:
        wanted.append((Kind.CONFIRMATION, f"confirmation:{came.pk}", came.number))
    if wanted:
        rows = [
            Reaction(account_id=came.account_id, received=came, kind=kind, key=key, to=to, created_at=now, look_at=now)
            for kind, key, to in wanted
        ]
        Reaction.objects.bulk_create(rows, ignore_conflicts=True)
        nudges.after_commit_at_most_every_second(TASK)


def do_waiting(*, clock: Clock = timezone.now) -> int:
    """Do what waits and needs no network, each in a transaction of its own, and return how many came to an end."""
    waiting = Reaction.objects.filter(state=State.WAITING, look_at__lte=clock()).exclude(kind=Kind.CALL)
    done = 0
    for pk in list(waiting.order_by("look_at", "pk").values_list("pk", flat=True)[:BATCH]):
        try:
            done += _do(pk, clock())
        except AWAY:
            let_go()
            raise
        except Exception:
            log.exception("The reaction %d failed", pk)
            _put_off(pk, clock())
    return done


@transaction.atomic
def _do(pk: int, now: datetime) -> bool:
    rows = Reaction.objects.select_for_update(skip_locked=True, of=("self",)).select_related("received", "account")
    row = rows.filter(pk=pk, state=State.WAITING).first()
    if row is None:
        return False
    chosen = ReactionSettings.objects.filter(account=row.account_id).first() or ReactionSettings(account=row.account)
    if row.kind == Kind.EMAIL:
        outcome = _forward(row, chosen)
    elif row.kind == Kind.ANSWER:
        outcome = automatic_answers.answer(row, chosen, now=now)
    else:
        outcome = automatic_answers.confirm(row, now=now)
    end(row, outcome, now=now)
    return True


def end(row: Reaction, outcome: Outcome, *, now: datetime, **change: Any) -> None:
    """Write down what came of it."""
    Reaction.objects.filter(pk=row.pk).update(
        state=outcome.state,
        reason=outcome.reason,
        detail=outcome.detail[:250],
        submission=outcome.submission,
        tries=row.tries + 1,
        ended_at=now,
        **change,
    )
    if outcome.state != State.DONE:
        log.info("The reaction %d (%s) was not done: %s", row.pk, row.kind, outcome.reason)


def _put_off(pk: int, now: datetime) -> None:
    """What failed for no reason that we know is tried again later, and given up after a day."""
    row = Reaction.objects.get(pk=pk)
    if now - row.created_at >= GIVE_UP:
        end(row, Outcome(State.GIVEN_UP, "broken_off"), now=now)
    else:
        wait: timedelta = min(FIRST_RETRY * 2 ** min(row.tries, 10), LONGEST_RETRY)
        Reaction.objects.filter(pk=pk, state=State.WAITING).update(tries=row.tries + 1, look_at=now + wait)


def _forward(row: Reaction, chosen: ReactionSettings) -> Outcome:
    """A letter in the outbox, once for each received message and address."""
    if row.to not in chosen.addresses:
        return Outcome(State.LEFT_OUT, "switched_off")
    came = row.received
    with translation.override(settings.LANGUAGE_CODE):
        when = days.written(timezone.localtime(came.received_at, row.account.zone), "DATETIME_FORMAT")
        link = ""
        if settings.SMS_PUBLIC_URL:
            address = f"{settings.SMS_PUBLIC_URL.rstrip('/')}{reverse('conversation', args=[came.pk])}"
            link = f"{_LINK % {'address': address}}\n\n"
    letters.to_person(
        row.to,
        key=f"reaction:{row.pk}",
        subject=_SUBJECT,
        body=_BODY,
        values={
            "number": _printable(came.number),
            "to": _printable(came.to) or row.account.name,
            "account": _printable(row.account.name),
            "when": when,
            "text": came.text,
            "link": link,
        },
    )
    return Outcome(State.DONE)


def _printable(text: str) -> str:
    """Without what could end a line of an e-mail's head: numbers are written by vendors, names by people."""
    return "".join(one if one.isprintable() else " " for one in text).strip()


@transaction.atomic
def keep(account: Account, *, forward_to: list[str], url: str, answer: str, by: Any) -> str:
    """Keep what an owner wants done. Returns the new secret when calls had none, to be shown once, else ""."""
    ReactionSettings.objects.get_or_create(account=account)
    # Held until it is written: a call may be settled meanwhile, and another owner may press the same button.
    chosen = ReactionSettings.objects.select_for_update().get(account=account)
    if answer != chosen.answer:
        chosen.answer, chosen.answer_by = answer, by if answer else None
    if url != chosen.url:
        # What a failure at the old address was is nothing to the new one.
        chosen.url, chosen.rests_until = url, None
    chosen.forward_to = "\n".join(forward_to)
    made = ReactionSettings.new_secret() if url and not chosen.secret else ""
    chosen.secret = made or chosen.secret
    chosen.save()
    return made


def renew_secret(account: Account) -> str:
    """Give the account's calls another secret, from the next call on, and return it; "" when it calls no address."""
    made = ReactionSettings.new_secret()
    return made if ReactionSettings.objects.filter(account=account).exclude(url="").update(secret=made) else ""


def not_done(account: Account, *, size: int = 20) -> list[Reaction]:
    """What was not done lately, the newest first; and before it the calls that failed and will be tried again."""
    rows = Reaction.objects.filter(account=account).select_related("received")
    failing = rows.filter(state=State.WAITING, kind=Kind.CALL, tries__gt=0).order_by("look_at", "pk")
    ended = rows.filter(state__in=[State.LEFT_OUT, State.GIVEN_UP]).order_by("-pk")
    return [*failing[:size], *ended[:size]]
