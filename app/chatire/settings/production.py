"""What the images and servers run."""

from chatire.settings.base import *  # noqa: F403
from chatire.settings.base import ENV

# TLS ends at nginx, which also redirects and sends HSTS (deploy/nginx); Django behind it would
# only repeat both. So these checks are answered there, and `make lint` runs nginx's own.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
if not ENV.https:
    # Without TLS, as on a laptop, a Secure cookie would never be sent back.
    SILENCED_SYSTEM_CHECKS += ["security.W010", "security.W016"]
