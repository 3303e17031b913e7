"""The kinds of value a description is made of, and what each accepts.

A kind's `check` takes a value and gives it back, or raises `ValueRefused` with what it expected.
Every kind is an allow list: what is not plainly a number, a name, an address or a path is refused,
so no value can end a directive (`;`), open a block (`{`), name a variable (`$`) or start a line.
`from_text` reads the same value from an environment variable.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

HIGHEST_PORT = 65535
# The kernel's sun_path has 108 bytes, the last of them a NUL.
LONGEST_SOCKET_PATH = 107
LONGEST_HOST_NAME = 253

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Names inside a network (of containers, for one) may have underscores; public ones may not.
_INNER_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_INNER_DOMAIN = re.compile(rf"{_INNER_LABEL}(?:\.{_INNER_LABEL})*")
_PATH = re.compile(r"/[A-Za-z0-9._@+/-]*")
_SYSTEM_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?")
_NUMBER = re.compile(r"[0-9]{1,10}")

Value = str | int | None | tuple[str, ...]


class ValueRefused(ValueError):
    """A value that its kind does not accept; the text says what was expected."""


class Kind(Protocol):
    """What a value may be."""

    @property
    def expected(self) -> str:
        """What is accepted, to stand behind the word "expected"."""

    def check(self, value: object) -> Value:
        """The value, as it is kept. Raises ValueRefused."""

    def from_text(self, text: str) -> Value:
        """The value an environment variable means. Raises ValueRefused."""


@dataclass(frozen=True)
class Whole:
    """A whole number between two bounds."""

    at_least: int
    at_most: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.at_least} to {self.at_most}"

    def check(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueRefused(self.expected)
        if not self.at_least <= value <= self.at_most:
            raise ValueRefused(self.expected)
        return value

    def from_text(self, text: str) -> int:
        if not _NUMBER.fullmatch(text):
            raise ValueRefused(self.expected)
        return self.check(int(text))


@dataclass(frozen=True)
class Text:
    """A text that a test accepts: a name, a path, an address."""

    expected: str
    accepts: Callable[[str], bool]

    def check(self, value: object) -> str:
        if not isinstance(value, str) or not self.accepts(value):
            raise ValueRefused(self.expected)
        return value

    def from_text(self, text: str) -> str:
        return self.check(text)


@dataclass(frozen=True)
class Maybe:
    """A value of another kind, or none."""

    kind: Text

    @property
    def expected(self) -> str:
        return f"{self.kind.expected}, or nothing"

    def check(self, value: object) -> str | None:
        return None if value is None else self.kind.check(value)

    def from_text(self, text: str) -> str | None:
        return self.kind.from_text(text)


@dataclass(frozen=True)
class ListOf:
    """Any number of different values of one kind; commas part them in an environment variable."""

    kind: Text
    at_least: int = 0

    @property
    def expected(self) -> str:
        least = f"at least {self.at_least}, " if self.at_least else ""
        return f"a list ({least}no value twice), each {self.kind.expected}"

    def check(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise ValueRefused(self.expected)
        items = tuple(self.kind.check(item) for item in value)
        if len(items) < self.at_least or len(set(items)) < len(items):
            raise ValueRefused(self.expected)
        return items

    def from_text(self, text: str) -> tuple[str, ...]:
        return self.check([item.strip() for item in text.split(",")])


def one_of(*choices: str) -> Text:
    """One of a few words."""
    return Text(" or ".join(choices), lambda value: value in choices)


def is_ip(text: str) -> bool:
    """Whether this is an IPv4 address, or an IPv6 address in brackets."""
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.ip_address(text[1:-1] if bracketed else text)
    except ValueError:
        return False
    # A scope id (fe80::1%eth0) passes ipaddress, whatever its characters.
    return "%" not in text and (address.version == 6) == bracketed


def split_port(text: str) -> tuple[str, str]:
    """Host and port of `host:port`; an empty host where there is no colon."""
    host, _, port = text.rpartition(":")
    return host, port


def _is_port(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and 1 <= int(text) <= HIGHEST_PORT


def _is_path(text: str) -> bool:
    return bool(_PATH.fullmatch(text)) and ".." not in text.split("/")


def _is_server_name(text: str) -> bool:
    if is_ip(text):
        return True
    name = text.removeprefix("*.")
    return bool(_DOMAIN.fullmatch(name)) and len(text) <= LONGEST_HOST_NAME


def _is_listen(text: str) -> bool:
    host, port = split_port(text)
    return _is_port(port) and ((not host and ":" not in text) or is_ip(host))


def _is_backend(text: str) -> bool:
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        return _is_path(path) and len(path) <= LONGEST_SOCKET_PATH
    host, port = split_port(text)
    named = bool(_INNER_DOMAIN.fullmatch(host)) and len(host) <= LONGEST_HOST_NAME
    return _is_port(port) and (named or is_ip(host))


def _is_network(text: str) -> bool:
    if "%" in text:
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def version_numbers(text: str) -> tuple[int, ...]:
    """`1.26.3` as numbers that compare."""
    return tuple(int(number) for number in text.split("."))


PATH = Text(
    "an absolute path of letters, digits and . _ @ + - without ..",
    _is_path,
)
SERVER_NAME = Text(
    "a host name (*.example.org for all below one), an IPv4 address or an [IPv6] address",
    _is_server_name,
)
LISTEN = Text("a port, address:port or [IPv6]:port", _is_listen)
BACKEND = Text("unix:/path/of.sock or host:port", _is_backend)
NETWORK = Text("an address or a network such as 10.0.0.0/8, without host bits", _is_network)
VERSION = Text("a version such as 1.26 or 1.26.3", lambda text: bool(_VERSION.fullmatch(text)))
SYSTEM_USER = Text("a system user's name", lambda text: bool(_SYSTEM_USER.fullmatch(text)))
PROCESSES = Text(
    "auto or a whole number from 1 to 512",
    lambda text: text == "auto" or (bool(_NUMBER.fullmatch(text)) and 1 <= int(text) <= 512),
)
ACCESS_LOG = Text("off or an absolute path", lambda text: text == "off" or _is_path(text))
ERROR_LOG = Text("stderr or an absolute path", lambda text: text == "stderr" or _is_path(text))
