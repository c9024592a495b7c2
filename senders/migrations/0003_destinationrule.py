"""Which kinds of sender reach which countries, with what is known of it from the beginning.

What a row says here is only where an installation begins: it is data, and the administrator's to change.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils.translation import gettext_noop

import credits.regions

NUMBERS_ONLY = gettext_noop("Operators there take numbers only.")
NATIONAL = gettext_noop("Short numbers work only in their own country.")
SINGAPORE = gettext_noop("Names must be registered in Singapore first (SSIR); others appear as “Likely-SCAM”.")
IRELAND = gettext_noop("Names must be registered in Ireland first (ComReg); others appear as “Likely Scam”.")

AWS = "https://docs.aws.amazon.com/sms-voice/latest/userguide/sender-id.html"
TELNYX = "https://developers.telnyx.com/docs/messaging/messages/alphanumeric-sender-id"
# "For Short Codes, the From number must be in the same country as the To number."
TWILIO = "https://www.twilio.com/docs/api/errors/21659"
IMDA = "https://www.imda.gov.sg/How-We-Can-Help/Anti-Scam-Measures"
COMREG = "ComReg, SMS Sender ID Registry: https://irishtimes.com/business/2025/06/05/comreg-plans-overhaul-of-sms-text-message-system-to-help-block-scammers"

# Region, kind, whether it reaches it, note, source.
KNOWN = [
    ("US", "alphanumeric", False, NUMBERS_ONLY, AWS),
    ("CA", "alphanumeric", False, NUMBERS_ONLY, AWS),
    ("PR", "alphanumeric", False, NUMBERS_ONLY, TELNYX),
    ("US", "short", False, NATIONAL, TWILIO),
    ("CA", "short", False, NATIONAL, TWILIO),
    ("PR", "short", False, NATIONAL, TWILIO),
    ("SG", "alphanumeric", True, SINGAPORE, IMDA),
    ("IE", "alphanumeric", True, IRELAND, COMREG),
]


def write_what_is_known(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rules = apps.get_model("senders", "DestinationRule").objects.using(schema_editor.connection.alias)
    for region, kind, allowed, note, source in KNOWN:
        # A row that is there is the administrator's.
        rules.get_or_create(region=region, kind=kind, defaults={"allowed": allowed, "note": note, "source": source})


class Migration(migrations.Migration):
    dependencies = [("senders", "0002_shared_pool")]

    operations = [
        migrations.CreateModel(
            name="DestinationRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "region",
                    models.CharField(
                        max_length=2, validators=[credits.regions.validate_region], verbose_name="destination"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("short", "Short number"),
                            ("virtual", "Virtual number"),
                            ("alphanumeric", "Name"),
                            ("numeric", "Number"),
                        ],
                        max_length=12,
                        verbose_name="kind of sender",
                    ),
                ),
                (
                    "allowed",
                    models.BooleanField(
                        default=False,
                        help_text="Empty: no message from this kind of sender can be sent there.",
                        verbose_name="reaches this destination",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="A sentence that users read beside the rule.",
                        max_length=250,
                        verbose_name="note",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="An address or a document; only administrators see it.",
                        max_length=250,
                        verbose_name="where this is known from",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule of a destination",
                "verbose_name_plural": "rules of destinations",
                "ordering": ["region", "kind"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("region", "kind"),
                        name="destination_rule_once_per_kind",
                        violation_error_message="There is a rule for this destination and kind of sender. Change that one.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["short", "virtual", "alphanumeric", "numeric"])),
                        name="destination_rule_kind_is_known",
                    ),
                ],
            },
        ),
        migrations.RunPython(write_what_is_known, migrations.RunPython.noop),
    ]
