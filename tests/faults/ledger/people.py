"""Accounts of a run: signing up, in, and renewing tokens as docs/protocol.md has it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ledger.http import Answer, Http, Unreachable

# The accounts of a run are found and removed by it.
PREFIX = "smoke-faults-"
# A token is renewed when so much of its life is left.
RENEW_AT = 0.25
FIRST_SECONDS = 0.2
LONGEST_SECONDS = 4.0


class Refused(Exception):
    """A definite no from the server, which trying again does not change."""


def backoff(attempt: int) -> float:
    """Seconds to wait after failed attempt number `attempt`, from 0 on: with full jitter."""
    return random.uniform(0, min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempt, 10)))


def passing(answer: Answer) -> bool:
    """Whether the same request may go through later."""
    return answer.status == 429 or answer.status >= 500


@dataclass
class Person:
    """Somebody with an account, and their session."""

    http: Http
    username: str
    password: str
    access: str = ""
    refresh: str = ""
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def persist(
        self, method: str, path: str, body: object = None, *, ok: int = 200, signed_in: bool = True
    ) -> Any:
        """A request repeated until it is answered for good; returns its JSON, raises Refused."""
        attempt = 0
        while True:
            pause = 0.0
            with contextlib.suppress(Unreachable):
                token = self.access if signed_in else ""
                answer = await self.http.request(method, path, token=token, body=body)
                if answer.status == ok:
                    return answer.json()
                if answer.status == 401 and token and attempt < 5:
                    await self.renew(token)
                elif not passing(answer):
                    raise Refused(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
                pause = answer.retry_after
            await asyncio.sleep(max(pause, backoff(attempt)))
            attempt += 1

    async def sign_up(self) -> None:
        """Make the account and start a session."""
        body = {"username": self.username, "password": self.password}
        await self.persist("POST", "/auth/users/", body, ok=201, signed_in=False)
        await self.sign_in()

    async def sign_in(self) -> None:
        body = {"username": self.username, "password": self.password}
        # The token held until then stays: who is cancelled here would be left without any.
        self._hold(await self.persist("POST", "/auth/jwt/create/", body, signed_in=False))

    async def renew(self, used: str) -> None:
        """Get a new access token, unless another task got one since `used` was."""
        async with self._renewing:
            attempt = 0
            while self.access == used:
                with contextlib.suppress(Unreachable):
                    answer = await self.http.request(
                        "POST", "/auth/jwt/refresh/", body={"refresh": self.refresh}
                    )
                    if answer.status == 200:
                        self._hold(answer.json())
                        return
                    if answer.status == 401:
                        # The session is over: with a restored database, or after a long absence.
                        await self.sign_in()
                        return
                await asyncio.sleep(backoff(attempt))
                attempt += 1

    async def keep_signed_in(self, renewed: Callable[[Person], Awaitable[None]]) -> None:
        """Renew each token before it runs out, then call back; ends by being cancelled."""
        while True:
            left = expiry(self.access) - time.time()
            await asyncio.sleep(max(1.0, left * (1 - RENEW_AT)))
            await self.renew(self.access)
            await renewed(self)

    def _hold(self, pair: dict[str, str]) -> None:
        self.refresh = pair.get("refresh", self.refresh)
        self.access = pair["access"]


def expiry(token: str) -> float:
    """When an access token runs out, in seconds since 1970."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["exp"])


@dataclass
class People:
    """The accounts that the rooms of a run are filled from; made once, used by many ledgers."""

    http: Http
    prefix: str
    members: list[Person]
    outsider: Person
    removed: list[Person]

    @classmethod
    async def gather(cls, http: Http, members: int) -> People:
        """Sign up so many members, an outsider, and two who are going to be removed."""
        prefix = f"{PREFIX}{secrets.token_hex(4)}-"
        names = [f"m{number}" for number in range(members)] + ["outsider", "removed1", "removed2"]
        persons = [Person(http, prefix + name, secrets.token_urlsafe(16)) for name in names]
        # Two at once: a password's hash is worth a quarter of a second of a processor.
        for pair in (persons[at : at + 2] for at in range(0, len(persons), 2)):
            await asyncio.gather(*(person.sign_up() for person in pair))
        return cls(http, prefix, persons[:members], persons[members], persons[members + 1 :])

    @property
    def everybody(self) -> list[Person]:
        return [*self.members, self.outsider, *self.removed]
