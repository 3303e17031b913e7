from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_history")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="joined_seq",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
