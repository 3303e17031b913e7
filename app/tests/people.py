"""The people of a test: users with an open session, who talk to the API as clients do."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from accounts import sessions
from accounts.tokens import SessionRefreshToken

PASSWORD = "correct horse battery"

_numbers = itertools.count(1)


@dataclass
class Person:
    """A user and the client they sit at; signed out when `access` is None."""

    user: User | None
    access: str | None
    refresh: str | None = None
    sid: uuid.UUID | None = None
    client: Client = field(default_factory=Client)

    @property
    def id(self) -> int:
        assert self.user is not None
        return self.user.pk

    @property
    def username(self) -> str:
        assert self.user is not None
        return self.user.username

    def call(self, method: str, path: str, data: Any = None, **extra: Any) -> Any:
        """One request with a JSON body, unless `content_type` says otherwise."""
        extra.setdefault("content_type", "application/json")
        headers = {"Authorization": f"JWT {self.access}"} if self.access else {}
        headers.update(extra.pop("headers", {}))
        arguments = {} if data is None else {"data": data}
        return getattr(self.client, method)(path, headers=headers, **arguments, **extra)

    def get(self, path: str, **query: Any) -> Any:
        headers = {"Authorization": f"JWT {self.access}"} if self.access else {}
        return self.client.get(path, query, headers=headers)

    def post(self, path: str, data: Any = None, **extra: Any) -> Any:
        return self.call("post", path, {} if data is None else data, **extra)

    def patch(self, path: str, data: Any = None, **extra: Any) -> Any:
        return self.call("patch", path, {} if data is None else data, **extra)

    def delete(self, path: str, **extra: Any) -> Any:
        return self.call("delete", path, **extra)


def nobody() -> Person:
    """Someone who is not signed in."""
    return Person(None, None)


def make_person(username: str | None = None, **fields: Any) -> Person:
    """A new user with a session of their own."""
    name = username or f"person{next(_numbers)}"
    return sign_in(User.objects.create_user(name, password=PASSWORD, **fields))


def sign_in(user: User) -> Person:
    """Another session of the same user."""
    session = sessions.start(user)
    assert session is not None
    refresh = SessionRefreshToken.for_session(session, user)
    return Person(user, str(refresh.access_token), str(refresh), session.pk)


def make_chat(owner: Person, *members: Person) -> str:
    """A chat with these members; returns its uri."""
    uri: str = owner.post("/api/chats/").json()["uri"]
    for member in members:
        assert member.patch(f"/api/chats/{uri}/", {"username": member.username}).status_code == 200
    return uri


def say(person: Person, uri: str, *texts: str) -> list[dict[str, Any]]:
    """Posts messages; returns the answers."""
    answers = [person.post(f"/api/chats/{uri}/messages/", {"message": text}) for text in texts]
    assert all(answer.status_code == 201 for answer in answers), answers
    return [answer.json() for answer in answers]
