"""Requests as the http tier reads them."""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class UTF8Request(WSGIRequest):
    """A request whose query and form are UTF-8, whatever charset its Content-Type names.

    Django would take any of Python's codecs from there; some of them (rot13, base64, idna)
    decode no text, and raise before there is a request that could be answered.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        content_type = meta.get("CONTENT_TYPE", "")
        self.content_type, self.content_params = parse_header_parameters(content_type)


class UTF8Handler(WSGIHandler):
    """Django's WSGI application with such requests."""

    request_class = UTF8Request
