"""A rate begins before the year 3000."""

import datetime

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credits", "0005_statement")]

    operations = [
        migrations.AlterField(
            model_name="rate",
            name="valid_from",
            field=models.DateTimeField(
                validators=[
                    django.core.validators.MinValueValidator(datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC)),
                    django.core.validators.MaxValueValidator(
                        datetime.datetime(2999, 12, 31, 0, 0, tzinfo=datetime.UTC)
                    ),
                ],
                verbose_name="valid from",
            ),
        ),
    ]
