"""What was done is in the logs; what was secret about it is not. Runs after everything else."""

from __future__ import annotations

import pytest

from chat_client import Account, Chat, told
from target import Node, Target

# Shaped like a token, worth nothing: {"alg":"none"}, {"x":1}.
TOKEN_IN_AN_ADDRESS = "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.telltale-token-in-an-address"


@pytest.fixture(scope="module")
def telltale(chat: Chat, alice: Account, bob: Account) -> str:
    """Something that a log must show (the chat's address) and must not (its text)."""
    uri = alice.create_chat()
    bob.join(uri)
    with bob.listening(uri, after=0, epoch="telltale-epoch") as socket:
        seq = alice.post(uri, "telltale-text-of-a-message")["seq"]
        socket.until("message", seq=seq)
    for path in (f"/ws/chats/{uri}/", "/api/chats/", "/"):
        answer = chat.http.get(path, params={"token": TOKEN_IN_AN_ADDRESS})
        assert answer.status_code >= 400 or path == "/", told(answer)
    return uri


@pytest.fixture(scope="module")
def logs(target: Target, telltale: str) -> dict[str, str]:
    """The log of every node, after the telltale was written."""
    return {str(node): node.log() for node in target.nodes()}


def test_requests_and_handshakes_are_logged(logs: dict[str, str], telltale: str) -> None:
    """The searches below mean something only if this run is in what they search."""
    nginx = "".join(text for name, text in logs.items() if name.startswith("nginx"))
    assert f"/api/chats/{telltale}/messages/" in nginx
    assert f"/ws/chats/{telltale}/" in nginx


def test_no_log_contains_a_token(logs: dict[str, str], chat: Chat) -> None:
    assert len(chat.tokens) >= 4, "no token was used in this run"
    for name, text in logs.items():
        # The signature alone is as good as the token to whoever can guess the rest.
        found = [t for t in chat.tokens if t in text or t.rsplit(".", 1)[1] in text]
        assert not found, f"the log of {name} contains {len(found)} of this run's tokens"


def test_no_log_contains_a_password(logs: dict[str, str], alice: Account, bob: Account) -> None:
    for name, text in logs.items():
        found = [account for account in (alice, bob) if account.password in text]
        assert not found, f"the log of {name} contains the password of {found}"


def test_no_log_contains_what_was_said(logs: dict[str, str]) -> None:
    found = [name for name, text in logs.items() if "telltale-text" in text]
    assert not found, found


def test_no_log_contains_the_query_of_a_socket(logs: dict[str, str]) -> None:
    found = [name for name, text in logs.items() if "telltale-epoch" in text]
    assert not found, found


def test_no_log_contains_a_token_that_came_in_an_address(logs: dict[str, str]) -> None:
    found = [name for name, text in logs.items() if "telltale-token" in text]
    assert not found, found


def test_nothing_logged_is_a_traceback(node: Node) -> None:
    """Bad input, lost clients and restarts are all foreseen: none is a surprise to the server."""
    log = node.log()
    at = log.find("Traceback (most recent call last)")
    assert at < 0, log[max(0, at - 500) : at + 3000]
