"""Chats and messages, made by the actions that the HTTP tier calls."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User

from chat import actions, roster
from chat.drafts import Draft
from chat.models import Chat
from tests.people import Person


def user_of(person: Person) -> User:
    assert person.user is not None
    return person.user


def make_room(owner: Person, *members: Person) -> str:
    """A chat with these members; returns its uri."""
    uri = roster.create_chat(user_of(owner)).uri
    for member in members:
        roster.add_member(uri, user_of(owner), user_of(member))
    return uri


def post(person: Person, uri: str, text: str = "hello") -> int:
    """Store a message as the HTTP tier does, hint included; returns its seq."""
    return actions.post_message(uri, user_of(person), Draft(text, uuid.uuid4())).row.seq


def chat_id(uri: str) -> int:
    return Chat.objects.get(uri=uri).pk
