"""One line an entry, also for a traceback, so that line-wise log collectors keep it whole."""

from __future__ import annotations

import logging
import time


class LineFormatter(logging.Formatter):
    """Time (UTC), level, logger and message; line breaks are written as \\n."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    # Local time would depend on the host.
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")
