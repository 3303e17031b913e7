"""The count of those who left, which tells a ws worker that it has not heard of one yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_membership_joined_seq")]

    operations = [
        migrations.AddField(
            model_name="chat",
            name="departures",
            field=models.BigIntegerField(db_default=0, default=0),
        )
    ]
