"""`manage.py round_trip http|ws BIND`: a message goes through one process of a tier and arrives.

Through an http process it is posted, and its hint is heard at the database; through a ws process
it is received on a socket, posted by this command. What stands in front is left out, so that the
answer is about that one process. Who and what is made for it is removed again.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from accounts import sessions
from accounts.tokens import SessionRefreshToken
from chat import actions, roster
from chat.drafts import check_draft
from realtime.conninfo import connection_params
from realtime.hints import CHANNEL

TEXT = "round trip"


class Command(BaseCommand):
    help = "Sends a message through one process of a tier; fails when it does not arrive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tier", choices=["http", "ws"])
        parser.add_argument("bind", help="where the process listens: unix:/path or host:port")
        parser.add_argument("--seconds", type=float, default=15.0, help="how long at most (15)")

    def handle(self, *args: Any, tier: str, bind: str, seconds: float, **options: Any) -> None:
        username = f"smoke-{secrets.token_hex(6)}-"
        deadline = time.monotonic() + seconds
        try:
            user = User.objects.create(username=username)
            token = sign_in(user)
            chat = roster.create_chat(user)
            trip = through_http if tier == "http" else through_ws
            taken = trip(bind, token, user, chat.uri, chat.pk, deadline)
        except (OSError, WebSocketException, TimeoutError, http.client.HTTPException) as error:
            raise CommandError(f"{tier} {bind}: no round trip ({error or type(error)}).") from error
        finally:
            call_command("smoke_cleanup", prefix=username, stdout=self.stdout)
        self.stdout.write(f"{tier} {bind}: a message went through in {taken * 1000:.1f} ms.")


def sign_in(user: User) -> str:
    """An access token of a session that `smoke_cleanup` ends with its user."""
    with transaction.atomic():
        session = sessions.start(user)
        if session is None:
            raise CommandError("The account that was just made is gone.")
        return str(SessionRefreshToken.for_session(session, user).access_token)


def through_http(bind: str, token: str, user: User, uri: str, chat: int, deadline: float) -> float:
    """Post through the process; returns the seconds until the hint was heard."""
    params = connection_params("chatire-round-trip")
    with psycopg.connect(**params, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        began = time.monotonic()
        seq = post(bind, token, uri, deadline)
        for notice in listener.notifies(timeout=max(0.1, deadline - time.monotonic())):
            heard = [line.split(" ", 2)[:2] for line in notice.payload.split("\n")]
            if [str(chat), str(seq)] in heard:
                return time.monotonic() - began
    raise TimeoutError("the message was stored, but nobody was told of it")


def through_ws(bind: str, token: str, user: User, uri: str, chat: int, deadline: float) -> float:
    """Listen on a socket of the process; returns the seconds from the post to its frame."""
    with open_socket(bind, token, f"/ws/chats/{uri}/", deadline) as connection:
        receive(connection, "ready", deadline)
        began = time.monotonic()
        actions.post_message(uri, user, check_draft(TEXT, None))
        receive(connection, "message", deadline)
        return time.monotonic() - began


def post(bind: str, token: str, uri: str, deadline: float) -> int:
    """POST a message to the process; returns its seq. Raises CommandError for another answer."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = dial(bind, deadline)
    headers = {
        "Host": settings.ALLOWED_HOSTS[0],
        "Authorization": f"JWT {token}",
        "Content-Type": "application/json",
        "X-Forwarded-Proto": "https",
    }
    path = f"/api/chats/{uri}/messages/"
    with closing(connection):
        connection.request("POST", path, json.dumps({"message": TEXT}), headers)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != http.client.CREATED:
        raise CommandError(f"http {bind}: POST was answered {answer.status}, expected 201.")
    return int(json.loads(body)["seq"])


def dial(bind: str, deadline: float) -> socket.socket:
    """A connection to where a process listens."""
    patience = max(0.1, deadline - time.monotonic())
    if bind.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(patience)
        connection.connect(bind.removeprefix("unix:"))
        return connection
    host, _, port = bind.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=patience)


@contextmanager
def open_socket(bind: str, token: str, path: str, deadline: float) -> Iterator[ClientConnection]:
    """A WebSocket held by the process."""
    patience = max(0.1, deadline - time.monotonic())
    with connect(
        f"ws://{settings.ALLOWED_HOSTS[0]}{path}",
        sock=dial(bind, deadline),
        subprotocols=[Subprotocol("chatire"), Subprotocol(f"jwt.{token}")],
        proxy=None,
        open_timeout=patience,
        close_timeout=1,
    ) as connection:
        yield connection


def receive(connection: ClientConnection, kind: str, deadline: float) -> None:
    """Read on until a frame of a type. Raises TimeoutError, WebSocketException."""
    while True:
        frame = json.loads(connection.recv(timeout=max(0.0, deadline - time.monotonic())))
        if frame.get("type") == kind:
            return
