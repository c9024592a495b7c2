"""Indexes of the statement, the plot and the pages that show the ledger lines of one thing; the mark of examples.

The first two begin with a book, so its foreign keys need no index beside them.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_packs")]

    operations = [
        migrations.AddField(
            model_name="rate",
            name="example",
            field=models.BooleanField(default=False, editable=False, verbose_name="example to replace"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["debit", "id", "created_at", "amount"], name="statement_taken"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["credit", "id", "created_at", "amount"], name="statement_given"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                fields=["credit", "created_at", "amount"],
                name="statement_consumption",
                condition=models.Q(("verb__in", ["capture", "charge"])),
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["cause_kind", "cause_key"], name="transfer_cause"),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="debit",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="debits",
                to="credits.book",
                verbose_name="taken from",
            ),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="credit",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credits",
                to="credits.book",
                verbose_name="given to",
            ),
        ),
    ]
