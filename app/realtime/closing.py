"""The close codes of docs/protocol.md, and the exception that ends a socket with one."""

BAD_FRAME = 4400
UNAUTHENTICATED = 4401
FORBIDDEN = 4403
NO_SUCH_CHAT = 4404
TOO_MANY = 4429
RESTART = 1012


class Close(Exception):
    """Raised while a socket is served: close it with this code."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Disconnected(Exception):
    """Raised while a socket is served: the client has gone."""
