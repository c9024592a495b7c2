from django.db import migrations


class Migration(migrations.Migration):
    """Nothing but a number: the trigger that refuses unlawful moves of a message is made after every `migrate`, and the
    check that runs before it takes a missing one for a fault unless a migration waits (credits/checks.py)."""

    dependencies = [
        ("compose", "0011_pacing"),
    ]

    operations = []
