"""The one place that publishes, for the synchronous tier.

A message's hint goes out right behind its commit, by the process's flusher. Everything else
(membership, sessions, reading) is an event over the channel layer, written inside the caller's
transaction: it is delivered if, and only if, that transaction commits.
"""

from typing import Any

from channels.layers import get_channel_layer

from realtime.flusher import hint_thread
from realtime.hints import Hint

WORKERS = "workers"


def hint(chat_id: int, seq: int, departures: int, frame: str) -> None:
    """Tell the WebSocket workers that message `seq` of `chat_id` is committed.

    Call after the commit. `departures` is how many had left the chat by then; `frame` is the
    message's frame as `chat.events` builds it, and is handed to sockets verbatim. Never waits and
    never raises: a lost hint is found by the workers' slow tick.
    """
    hint_thread.put(Hint(chat_id, seq, departures, frame))


def publish_event(group: str, event: dict[str, Any]) -> None:
    """Send `event` to every channel in `group`, in the caller's transaction.

    Groups: `workers` (every WebSocket worker) and `chat.<id>` (the workers that serve the
    chat). `event` holds a "type" and msgpack-able values. Plain SQL through Django's
    connection of the calling thread; raises what that raises.
    """
    layer = get_channel_layer()
    layer.publish(group, event)
