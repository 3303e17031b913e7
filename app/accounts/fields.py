"""Input fields that take text and nothing that merely looks like it."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.contrib.auth.validators import UnicodeUsernameValidator
from rest_framework import serializers

# Django's own limit, of the column.
USERNAME_MAX_LENGTH = 150

# How many characters of a name become one by NFKC, at most: a letter and its marks.
SHRINKS = 4

# Hashing is meant to be slow; this keeps its input small. Far beyond any pass phrase.
PASSWORD_MAX_LENGTH = 1024


class TextField(serializers.CharField):
    """A string. DRF's CharField takes numbers as well; JSON knows the difference."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class PasswordField(TextField):
    """A password, taken as it was typed, white space included."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", PASSWORD_MAX_LENGTH)
        kwargs.setdefault("style", {"input_type": "password"})
        super().__init__(trim_whitespace=False, **kwargs)


class UsernameField(TextField):
    """A username in the form in which Django stores it (NFKC), wherever one is given.

    Normalised before anything else is checked: it changes length and characters.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", USERNAME_MAX_LENGTH)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        # Normalising takes time that grows with the square of the length, and makes a name shorter
        # only so far.
        if isinstance(data, str) and len(data) > SHRINKS * USERNAME_MAX_LENGTH:
            self.fail("max_length", max_length=self.max_length)
        return normalized(super().to_internal_value(data))


class NewUsernameField(UsernameField):
    """A username that someone wants to have."""

    default_error_messages = {"dots": "This username cannot stand in an address."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(UnicodeUsernameValidator())

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        # As the last part of a path these mean "here" and "up" to every client and proxy, so
        # their member could never be removed.
        if value in (".", ".."):
            self.fail("dots")
        return value


def normalized(username: str) -> str:
    """A username as Django compares and stores it."""
    return unicodedata.normalize("NFKC", username)
