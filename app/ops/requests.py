"""Requests as the http tier reads them."""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class UTF8Request(WSGIRequest):
    """A request whose query and form are UTF-8, whatever charset its Content-Type names.

    Django would take any of Python's codecs from there; some of them (rot13, base64, idna)
    decode no text, and raise before there is a request that could be answered. So do parameters
    that cannot be read: such a request has its type without them, here and for DRF, which looks
    for itself.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        content_type = meta.get("CONTENT_TYPE", "")
        try:
            self.content_type, self.content_params = parse_header_parameters(content_type)
        except ValueError:
            meta["CONTENT_TYPE"] = content_type.partition(";")[0].strip()
            self.content_type, self.content_params = meta["CONTENT_TYPE"].lower(), {}


class UTF8Handler(WSGIHandler):
    """Django's WSGI application with such requests."""

    request_class = UTF8Request
