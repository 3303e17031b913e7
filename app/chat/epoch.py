"""Which history this database tells.

A client that resumes by `seq` must learn that the numbers mean other messages than before: after
a restore from a backup, or a failover that lost the last commits. Most of that shows by itself:
a dump that is loaded again gets another database oid, point-in-time recovery and failover start
another timeline, another cluster has another system identifier. The stored part is for the
restores that keep all of these: `manage.py new_epoch` changes it.
"""

from __future__ import annotations

import uuid

from django.db import connection, transaction

from chat.models import History
from realtime.publish import publish_event

# All functions may be called by any role (checked on PostgreSQL 15). The timeline is that of the
# WAL being written, not of the last checkpoint, which lags behind a promotion.
EPOCH_SQL = """
SELECT md5(concat_ws('/',
    (SELECT epoch FROM chat_history),
    (SELECT system_identifier FROM pg_control_system()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8),
    (SELECT oid FROM pg_database WHERE datname = current_database())
))
"""


def current() -> str:
    """The epoch as clients see it: 32 hexadecimal digits."""
    with connection.cursor() as cursor:
        cursor.execute(EPOCH_SQL)
        row: tuple[str] = cursor.fetchone()
    return row[0]


def renew() -> str:
    """Makes a new epoch, tells the ws workers, and returns it."""
    with transaction.atomic():
        History.objects.update_or_create(id=1, defaults={"epoch": uuid.uuid4()})
        publish_event("workers", {"type": "epoch.changed"})
    return current()
