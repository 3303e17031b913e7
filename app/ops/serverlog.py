"""gunicorn's own messages, in the form of all others.

Apart from ops/logs.py, so that the ws tier need not load gunicorn.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from gunicorn.glogging import Logger

from ops.logs import LineFormatter


class GunicornLogger(Logger):
    """One line an entry, on stdout."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(LineFormatter())
        self.error_log.handlers = [handler]
        self.error_log.propagate = False
