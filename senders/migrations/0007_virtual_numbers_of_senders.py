"""Each virtual number that is approved belongs to one account: where two have it, to the one that had it first."""

from typing import Any

import phonenumbers
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

WHY = "Another account has had this number approved before. A virtual number belongs to one account."


def give_numbers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    senders = apps.get_model("senders", "Sender").objects.using(alias)
    changes = apps.get_model("senders", "SenderChange").objects.using(alias)
    numbers = apps.get_model("senders", "VirtualNumber").objects.using(alias)
    approved = senders.filter(kind="virtual", status__in=["enabled", "disabled"], deleted_at=None)
    # One that is in use goes before one that was switched off, and then the older decision.
    in_order = sorted(approved, key=lambda one: (one.status == "disabled", one.decided_at or one.requested_at, one.pk))
    taken: dict[str, int] = dict(numbers.values_list("number", "account_id"))
    for sender in in_order:
        if sender.value not in taken:
            taken[sender.value] = sender.account_id
            numbers.create(number=sender.value, account_id=sender.account_id, country=_country(sender))
        elif taken[sender.value] != sender.account_id and sender.status == "enabled":
            senders.filter(pk=sender.pk).update(status="disabled")
            changes.create(sender=sender, verb="disabled", note=WHY)


def _country(sender: Any) -> str:
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(sender.value))
    except phonenumbers.NumberParseException:
        found = None
    return found if found in phonenumbers.SUPPORTED_REGIONS else sender.account.country


class Migration(migrations.Migration):
    dependencies = [("senders", "0006_numbers")]
    # Undone, the numbers go with their table.
    operations = [migrations.RunPython(give_numbers, migrations.RunPython.noop)]
