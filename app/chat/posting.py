"""The short way of a post: one look at the token, one at the body, one statement.

It is for posts in which all is in order, which is nearly every one. Where anything is not (no good
token, a session that is over, a form in place of JSON, bad input, no such chat, not a member) it
has stored nothing and says None; then the view goes the long way, which finds out in the order of
docs/protocol.md what to answer.
"""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.tokens import Claims, read_access
from chat import actions
from chat.drafts import Draft, Refused, check_draft
from chat.events import message_object
from ops.errors import problem
from ops.parsers import strict_json


def answer(request: HttpRequest, uri: str) -> HttpResponse | None:
    """201 or 200 with the message; None where it takes more to know what to answer."""
    claims = _claims(request)
    if claims is None:
        return None
    try:
        draft = _draft(request)
    except UnreadablePostError:
        # The client went away in the middle of its body, which can be read once only.
        return problem(400, "The body ended early.", "parse_error")
    posted = None if draft is None else actions.post_signed(uri, claims, draft)
    if posted is None:
        return None
    content = {"status": "SUCCESS", **message_object(posted.row)}
    return HttpResponse(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        content_type="application/json",
        status=201 if posted.created else 200,
    )


def _claims(request: HttpRequest) -> Claims | None:
    kind, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind not in api_settings.AUTH_HEADER_TYPES:
        return None
    try:
        return read_access(token)
    except TokenError:
        return None


def _draft(request: HttpRequest) -> Draft | None:
    if request.content_type != "application/json":
        return None
    try:
        body = strict_json(request.body)
        if not isinstance(body, dict):
            return None
        return check_draft(body.get("message"), body.get("client_id"))
    except (ParseError, Refused):
        return None
