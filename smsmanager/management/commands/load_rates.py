"""`manage.py load_rates`: example rates for the countries that have none."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from credits import rates


class Command(BaseCommand):
    help = (
        "Give every country that has no rate an example, marked as such, valid from now on. "
        "Rates that are there already are never changed, so it may be repeated."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        count = rates.load_examples(timezone.now())
        self.stdout.write(f"{count} example rates were added; replace them by your own.")
