"""`manage.py load_demo`: the demonstration data, once, into an empty installation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from smsmanager import demo


class Command(BaseCommand):
    help = "Load the demonstration into an empty installation; data that is there is left as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        if not demo.allowed():
            raise CommandError("The demonstration's password is known to everybody: it is not loaded in production.")
        if demo.load():
            self.stdout.write("Loaded the demonstration:\n" + "\n".join(demo.sign_in_lines()))
        else:
            self.stdout.write("There is data already; nothing was loaded.")
