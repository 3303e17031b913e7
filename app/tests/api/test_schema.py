"""The served schema is true: whatever is sent, the answer is one that it describes.

Schemathesis makes up good and bad requests from the schema and holds the answers against it,
through the WSGI application and on a real database.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from chatire.wsgi import application
from tests.people import Person, make_chat, say

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]

# The same requests in every run: what is found is found again. More and other ones:
# CHATIRE_SCHEMATHESIS_EXAMPLES=1000.
EXAMPLES = int(os.environ.get("CHATIRE_SCHEMATHESIS_EXAMPLES", "30"))

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CHATIRE_SCHEMATHESIS_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


# Fetched as clients fetch it; needs no database.
schema = schemathesis.openapi.from_wsgi("/api/schema/", application)

# Requests commit, and give their connection back, as they do in earnest.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def room(alice: Person, bob: Person, carol: Person) -> str:
    """A chat of all three, owned by Alice, with something in it."""
    uri = make_chat(alice, bob, carol)
    say(bob, uri, "one", "two")
    return uri


@schema.parametrize()
@SETTINGS
def test_nobody_is_answered_as_the_schema_says(case: Any) -> None:
    case.call_and_validate(checks=[c for c in CHECKS if c is not unsupported_method])


@schema.parametrize()
@SETTINGS
def test_a_user_is_answered_as_the_schema_says(case: Any, alice: Person) -> None:
    case.call_and_validate(
        headers={"Authorization": f"Bearer {alice.access}"},
        checks=CHECKS,
    )


@schema.exclude(path_regex="^/auth/").include(path_regex="{uri}").parametrize()
@SETTINGS
def test_a_member_is_answered_as_the_schema_says(case: Any, alice: Person, room: str) -> None:
    case.path_parameters["uri"] = room
    if "username" in case.path_parameters:
        case.path_parameters["username"] = "bob"
    case.call_and_validate(
        headers={"Authorization": f"Bearer {alice.access}"},
        checks=CHECKS,
    )
