"""Input and output of the calls under /auth/."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from djoser import serializers as djoser
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from accounts.fields import NewUsernameField, PasswordField, TextField, UsernameField

# Django's own limit, of the column.
EMAIL_MAX_LENGTH = 254
TAKEN = "A user with that username already exists."


class AccountSerializer(serializers.ModelSerializer[User]):
    """A user as they see themself; nobody else is shown the address."""

    # Not an EmailField: it is empty where none was given.
    email = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "email"]
        read_only_fields = ["id", "username", "email"]


class SignUpSerializer(djoser.UserCreateSerializer):
    """A new account, held against Django's rules for passwords."""

    username = NewUsernameField(validators=[UniqueValidator(User.objects.all(), message=TAKEN)])
    password = PasswordField(write_only=True)
    email = serializers.EmailField(
        max_length=EMAIL_MAX_LENGTH, required=False, allow_blank=True, allow_null=True
    )

    class Meta:
        model = User
        fields = ["id", "username", "email", "password"]

    def create(self, validated_data: dict[str, Any]) -> User:
        """The account; raises ValidationError where somebody took the name a moment ago."""
        try:
            user: User = self.perform_create(validated_data)
        except IntegrityError as error:
            raise serializers.ValidationError({"username": [TAKEN]}, "unique") from error
        return user


class SetPasswordSerializer(djoser.SetPasswordSerializer):
    """A new password, from someone who knows the present one."""

    current_password = PasswordField()
    new_password = PasswordField()


class SignInSerializer(serializers.Serializer[Any]):
    """Who one is, and where the refresh token shall go."""

    username = UsernameField(write_only=True)
    password = PasswordField(write_only=True)
    cookie = serializers.BooleanField(
        default=False,
        write_only=True,
        help_text="Put the refresh token in an HttpOnly cookie instead of the answer.",
    )


class RefreshSerializer(serializers.Serializer[Any]):
    """A refresh token; without one, the cookie's."""

    refresh = TextField(required=False, allow_null=True, default=None)


class LogoutSerializer(RefreshSerializer):
    """Which session shall end."""

    everywhere = serializers.BooleanField(default=False, help_text="End all the user's sessions.")


class VerifySerializer(serializers.Serializer[Any]):
    """An access or refresh token."""

    token = TextField()


class TokensSerializer(serializers.Serializer[Any]):
    """The tokens of a session; `refresh` is left out when it travels as a cookie."""

    access = serializers.CharField()
    refresh = serializers.CharField(required=False)
