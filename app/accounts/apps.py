from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import openapi, signals  # noqa: F401 - openapi registers itself

        signals.connect()
