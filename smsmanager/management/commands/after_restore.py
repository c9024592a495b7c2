"""`manage.py after_restore`: after a back-up was restored, before anything is sent."""

import re
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from compose.restored import put_in_doubt
from inbox.restored import leave_out
from smsmanager import new_keys

# What ISO 8601 has for a day alone.
WITHOUT_HOUR = r"[0-9]{4}-?(?:[0-9]{2}-?[0-9]{2}|W[0-9]{2}-?[0-9]?)"


class Command(BaseCommand):
    help = (
        "Make unconfirmed what the restored database says is waiting and may have left after the back-up: nothing of "
        "it is sent again unless a person says so. Leave out what received messages caused, and give what is written "
        "from now on keys that nothing had. Run it once after a restore, while nothing else runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--stopped-at",
            metavar="MOMENT",
            help='when the old installation may have sent for the last time, such as "2026-11-23 14:05", in the time '
            "zone of the installation or with an offset; what leaves later stays as it is (default: now)",
        )

    def handle(self, *_args: Any, stopped_at: str | None = None, **_options: Any) -> None:
        now = timezone.now()
        moment = _moment(stopped_at, now) if stopped_at else now
        # Keys first, for what follows writes rows. Each step is whole; one that broke off is mended by another run.
        tables = new_keys.move_on()
        self.stdout.write(
            f"The keys of {tables} tables go on {new_keys.AHEAD} further: none that was given after the back-up is "
            "given again."
        )
        left_out = leave_out(stopped_at=moment, now=now)
        kinds = ", ".join(f"{kind}: {count}" for kind, count in left_out.reactions.items()) or "none"
        self.stdout.write(
            f"Left out, for they may have been done after the back-up, of what received messages caused: {kinds}. "
            f"{left_out.received} received SMS that wait are shown in the inbox and cause nothing."
        )
        count = put_in_doubt(stopped_at=moment, now=now)
        self.stdout.write(
            f"{count} messages may have left after the back-up: they are unconfirmed now, and nothing of them is sent "
            "again unless a person says so. What was to leave later waits as before."
        )


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if re.fullmatch(WITHOUT_HOUR, text.strip()):
            raise ValueError("a day has many moments")
        if moment.tzinfo is None:
            # An hour that comes twice is the second one: what is put in doubt too much, a person decides.
            moment = max(timezone.make_aware(moment.replace(fold=fold)).astimezone(UTC) for fold in (0, 1))
        later = moment > now
    except (ValueError, OverflowError):
        raise CommandError(
            f'--stopped-at must be a moment such as "2026-11-23 14:05", not {text!r}. Nothing was changed.'
        ) from None
    if later:
        raise CommandError(f"--stopped-at {text} has not come yet. Nothing was changed.")
    return moment
