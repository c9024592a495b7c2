"""`manage.py after_restore`: after a back-up was restored, before anything is sent."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from compose.restored import put_in_doubt


class Command(BaseCommand):
    help = (
        "Make unconfirmed what the restored database says is waiting and may have left after the back-up: nothing of "
        "it is sent again unless a person says so. Run it once after a restore, while no worker runs."
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
        count = put_in_doubt(stopped_at=_moment(stopped_at, now) if stopped_at else now, now=now)
        self.stdout.write(
            f"{count} messages may have left after the back-up: they are unconfirmed now, and nothing of them is sent "
            "again unless a person says so. What was to leave later waits as before."
        )


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else timezone.make_aware(moment)
        later = moment > now
    except (ValueError, OverflowError):
        raise CommandError(
            f'--stopped-at must be a moment such as "2026-11-23 14:05", not {text!r}. Nothing was changed.'
        ) from None
    if later:
        raise CommandError(f"--stopped-at {text} has not come yet. Nothing was changed.")
    return moment
