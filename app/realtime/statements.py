"""The channel layer's SQL, shared by the synchronous and the asynchronous path.

All times are the database's. Tables and trigger: migration 0001.
"""

# What a channel's worker has to renew, or its group rows are void.
LEASE_SECONDS = 60

SEND = """
INSERT INTO channels_postgres_message (channel, message, expire)
VALUES (%(channel)s, %(message)s, now() + make_interval(secs => %(expiry)s))
"""

# One statement however many members; one row a channel, and a worker has one channel.
GROUP_SEND = """
INSERT INTO channels_postgres_message (channel, message, expire)
SELECT DISTINCT channel, %(message)s::bytea, now() + make_interval(secs => %(expiry)s)
FROM channels_postgres_groupchannel WHERE group_key = %(group)s AND expire > now()
"""

# What a worker tells the others. Where there are none nothing is inserted, so no notification goes
# out and no listener is woken, its own neither.
GROUP_SEND_MANY = """
INSERT INTO channels_postgres_message (channel, message, expire)
SELECT member.channel, event.message, now() + make_interval(secs => %(expiry)s)
FROM unnest(%(groups)b::text[], %(messages)b::bytea[])
    WITH ORDINALITY AS event (group_key, message, place)
JOIN channels_postgres_groupchannel AS member USING (group_key)
WHERE member.expire > now() AND member.channel <> %(sender)s
ORDER BY event.place
"""

GROUP_ADD = """
INSERT INTO channels_postgres_groupchannel (group_key, channel, expire)
SELECT unnest(%(groups)s::text[]), unnest(%(channels)s::text[]),
    now() + make_interval(secs => %(lease)s)
ON CONFLICT (group_key, channel) DO UPDATE SET expire = EXCLUDED.expire
"""

GROUP_DISCARD = """
DELETE FROM channels_postgres_groupchannel
WHERE group_key = %(group)s AND channel = %(channel)s
"""

RENEW = """
UPDATE channels_postgres_groupchannel SET expire = now() + make_interval(secs => %(lease)s)
WHERE channel = ANY(%(channels)s) RETURNING group_key, channel
"""

FORGET = "DELETE FROM channels_postgres_groupchannel WHERE channel = ANY(%(channels)s)"

CATCH_UP = """
SELECT id, channel, CASE WHEN octet_length(message) < 8000 THEN message END,
    extract(epoch from expire)::text
FROM channels_postgres_message
WHERE channel = ANY(%(channels)s) AND expire > now() ORDER BY id
"""

READ = "SELECT message FROM channels_postgres_message WHERE id = %(id)s AND expire > now()"

# A channel that several processes receive on: whoever deletes the row has the message.
CLAIM = """
DELETE FROM channels_postgres_message WHERE id = %(id)s AND expire > now() RETURNING message
"""

FLUSH = """
WITH messages AS (DELETE FROM channels_postgres_message)
DELETE FROM channels_postgres_groupchannel
"""
