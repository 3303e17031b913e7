"""The http tier's server: threads, each of which keeps its database connection."""

import os

from chatire import env
from ops import serverrefusal

serverrefusal.install()
os.environ.setdefault("CHATIRE_TIER", "http")
CONFIG = env.load()

bind = CONFIG.bind
# Threads, for a request waits for the database longer than it computes, and psycopg and the hashing
# of passwords let go of the interpreter's lock; an event loop would need other views. Processes by
# the cores, for one cannot use more than one (cores.py).
worker_class = "gthread"
workers = CONFIG.http_workers
threads = CONFIG.http_threads

# The application is loaded once and shared by the forked workers; nothing in it opens a
# connection or starts a thread before its first request.
preload_app = True

# nginx keeps connections to this tier open and picks them up again.
keepalive = 75

# A worker that answers nothing for this long is stuck: the longest regular request is a sign-in.
timeout = 30
# On SIGTERM, requests in flight get this long; the statement timeout is 5 s.
graceful_timeout = CONFIG.drain_seconds

# Heartbeats go to a file; on a read-only root, /dev/shm is memory and always there.
worker_tmp_dir = "/dev/shm"  # noqa: S108

# nginx writes the access log. Here only what goes wrong, on stdout like everything else.
accesslog = None
errorlog = "-"
loglevel = CONFIG.log_level.lower()
logger_class = "ops.serverlog.GunicornLogger"

# A socket file is made for nginx, which runs as another user of the same group.
umask = 0o007

# nginx limits both more tightly; these hold for whoever reaches the tier without it.
limit_request_line = 8190
limit_request_field_size = 8190

# Nothing here is steered at run time, and its default place is a home that does not exist.
control_socket_disable = True

# Only nginx reaches this tier, over a socket in a shared volume or a private network, and it
# replaces X-Forwarded-*; gunicorn itself acts on none of them.
forwarded_allow_ips = ""
