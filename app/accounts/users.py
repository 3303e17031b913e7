"""A user as others see them."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PublicUser(Protocol):
    """Whatever carries the four facts about a user that everyone may see."""

    @property
    def id(self) -> int: ...
    @property
    def username(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...


class UserRow(NamedTuple):
    """The public facts about a user, as the SQL of both tiers selects them."""

    id: int
    username: str
    first_name: str
    last_name: str


# The columns of UserRow, for a query that joins auth_user as `u`.
USER_COLUMNS = "u.id, u.username, u.first_name, u.last_name"


def user_dict(user: PublicUser) -> dict[str, object]:
    """The shape of a user in any answer or frame. Never an e-mail address."""
    return {
        "id": user.id,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
    }
