"""Harden the tables of channels-postgres, and make those of presence.

The layer's tables hold what is worth a minute, so they become UNLOGGED, get the indexes that
its statements need, ids that do not run out after two thousand million messages, and a trigger
that keeps to PostgreSQL's bound: a NOTIFY payload must be shorter than 8000 bytes.
"""

from django.db import migrations, models

NOTIFY_FUNCTION = """
CREATE OR REPLACE FUNCTION channels_postgres_notify() RETURNS trigger AS $$
DECLARE
    payload text := NEW.id::text || ':' || NEW.channel::text || ':'
        || encode(NEW.message, 'base64') || ':' || extract(epoch from NEW.expire)::text;
BEGIN
    IF octet_length(payload) {refused} THEN
        payload := NEW.id::text || ':' || NEW.channel::text || '::'
            || extract(epoch from NEW.expire)::text;
    END IF;
    PERFORM pg_notify('channels_postgres_messages', payload);
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
"""

HARDEN = """
TRUNCATE channels_postgres_message, channels_postgres_groupchannel;
ALTER TABLE channels_postgres_message ALTER COLUMN id TYPE bigint;
ALTER TABLE channels_postgres_groupchannel ALTER COLUMN id TYPE bigint;
DO $$ BEGIN
    EXECUTE 'ALTER SEQUENCE '
        || pg_get_serial_sequence('channels_postgres_message', 'id') || ' AS bigint';
    EXECUTE 'ALTER SEQUENCE '
        || pg_get_serial_sequence('channels_postgres_groupchannel', 'id') || ' AS bigint';
END $$;
ALTER TABLE channels_postgres_message SET UNLOGGED;
ALTER TABLE channels_postgres_groupchannel SET UNLOGGED;
CREATE INDEX realtime_message_channel ON channels_postgres_message (channel);
CREATE INDEX realtime_message_expire ON channels_postgres_message (expire);
CREATE UNIQUE INDEX realtime_group_once ON channels_postgres_groupchannel (group_key, channel);
CREATE INDEX realtime_group_channel ON channels_postgres_groupchannel (channel);
CREATE INDEX realtime_group_expire ON channels_postgres_groupchannel (expire);
"""

SOFTEN = """
DROP INDEX realtime_message_channel, realtime_message_expire,
    realtime_group_once, realtime_group_channel, realtime_group_expire;
ALTER TABLE channels_postgres_message SET LOGGED;
ALTER TABLE channels_postgres_groupchannel SET LOGGED;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [("channels_postgres", "0004_notify_ensure_payload_not_too_big")]

    operations = [
        migrations.RunSQL(HARDEN, SOFTEN),
        migrations.RunSQL(
            NOTIFY_FUNCTION.format(refused=">= 8000"),
            NOTIFY_FUNCTION.format(refused="> 8000"),
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "name",
                    models.CharField(max_length=100, primary_key=True, serialize=False),
                ),
                ("expire", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="Presence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("chat_id", models.BigIntegerField()),
                ("user_id", models.BigIntegerField()),
                ("worker", models.CharField(db_index=True, max_length=100)),
            ],
            options={"verbose_name_plural": "presence"},
        ),
        migrations.AddConstraint(
            model_name="presence",
            constraint=models.UniqueConstraint(
                fields=("chat_id", "user_id", "worker"), name="realtime_presence_once"
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE realtime_worker SET UNLOGGED; ALTER TABLE realtime_presence SET UNLOGGED",
            migrations.RunSQL.noop,
        ),
    ]
