from django.db import migrations

# How many messages hold a word decides whether walking the newest ones or the index of searches is the shorter way.
# PostgreSQL reads that from statistics of the expression, and those of a partial index it leaves aside; so the
# expression has some of its own.
STATISTICS = "CREATE STATISTICS IF NOT EXISTS received_words ON (upper(text)) FROM inbox_received"


def statistics_of_words(apps, schema_editor):
    """Make them and gather them: a sample of 30,000 rows, some seconds, while others read and write the table."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(STATISTICS)
    # The table would be looked at by itself only after a tenth of it has changed. An empty one has nothing to gather.
    if apps.get_model("inbox", "Received").objects.exists():
        schema_editor.execute("ANALYZE inbox_received")


def no_statistics_of_words(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP STATISTICS IF EXISTS received_words")


class Migration(migrations.Migration):
    dependencies = [("inbox", "0005_stopped")]

    operations = [migrations.RunPython(statistics_of_words, no_statistics_of_words)]
