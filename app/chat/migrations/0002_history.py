"""The one row of History, with an epoch of this database's own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO chat_history (id, epoch) VALUES (1, gen_random_uuid())",
            "DELETE FROM chat_history",
        )
    ]
