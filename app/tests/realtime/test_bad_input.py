"""Whatever a client sends, it gets what docs/protocol.md says, and the worker's log stays clean."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
import uuid

import pytest
from websockets.exceptions import ConnectionClosed

from tests.people import Person
from tests.realtime.clients import chat
from tests.realtime.rooms import make_room
from tests.realtime.workers import Worker

Pair = tuple[Worker, Worker]

UNREADABLE = {
    "binary": b"\x00\x01",
    "binary json": b'{"type":"typing"}',
    "empty": "",
    "no json": "hello",
    "half": '{"type":"mess',
    "array": "[]",
    "string": '"message"',
    "number": "5",
    "null": "null",
    "NaN": "NaN",
    "NaN inside": '{"type":"read","seq":NaN}',
    "Infinity inside": '{"type":"read","seq":-Infinity}',
    "single quotes": "{'type':'typing'}",
    "two objects": "{}{}",
    "no type": "{}",
    "unknown type": '{"type":"shout"}',
    "type of a server frame": '{"type":"ready"}',
    "type null": '{"type":null}',
    "type number": '{"type":5}',
    "type list": '{"type":["message"]}',
    "type null beside a message": '{"type":null,"message":"x"}',
    "type with a NUL": '{"type":"typing\\u0000"}',
    "deep": "[" * 30_000,
    "a number of 5,000 digits": '{"type":"read","seq":' + "9" * 5_000 + "}",
}


@pytest.mark.parametrize("frame", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_frame_that_cannot_be_read_closes_the_socket_with_4400(
    workers: Pair, alice: Person, frame: str | bytes
) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.socket.send(frame)
        assert client.closed() == 4400


def test_deep_nesting_in_an_unknown_field_harms_nobody(workers: Pair, alice: Person) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.socket.send('{"type":"typing","x":' + '{"x":' * 9_000 + "1" + "}" * 9_001)
        try:
            # Newer Pythons read this,
            client.posts("still here")
        except ConnectionClosed as closed:
            # older ones do not.
            assert closed.rcvd is not None
            assert closed.rcvd.code == 4400


ID = "0b8d7b0e-9d3f-4d0a-8f0f-0123456789ab"
REFUSED = {
    "no message": {"type": "message"},
    "null": {"message": None},
    "number": {"message": 5},
    "list": {"message": ["x"]},
    "empty": {"message": ""},
    "white space": {"message": " \n\t\u3000"},
    "too long": {"message": "x" * 2001},
    "NUL": {"message": "a\x00b"},
    "lone surrogate": {"message": "a\ud800b"},
    "client_id of another kind": {"message": "x", "client_id": 5},
    "client_id that is no UUID": {"message": "x", "client_id": "x"},
    "client_id in braces": {"message": "x", "client_id": "{" + ID + "}"},
    "client_id with a surrogate": {"message": "x", "client_id": "\ud800"},
    "client_id with a NUL": {"message": "x", "client_id": "\x00"},
    "long client_id": {"message": "x", "client_id": "x" * 10_000},
    "read without seq": {"type": "read"},
    "read null": {"type": "read", "seq": None},
    "read true": {"type": "read", "seq": True},
    "read text": {"type": "read", "seq": "5"},
    "read fraction": {"type": "read", "seq": 1.5},
    "read below zero": {"type": "read", "seq": -1},
    "read beyond bigint": {"type": "read", "seq": 2**63},
    "auth without token": {"type": "auth"},
    "auth of another kind": {"type": "auth", "token": {}},
}


@pytest.mark.parametrize("frame", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_field_is_refused_with_an_error_and_the_connection_stays(
    workers: Pair, alice: Person, frame: dict[str, object]
) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.send(frame)
        error = client.expect("error")
        assert set(error) == {"type", "code", "detail", "client_id"}
        assert client.posts("still here")["seq"] == 1


def test_an_error_names_the_client_id_of_the_refused_message(workers: Pair, alice: Person) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.send({"message": "", "client_id": ID})
        assert client.expect("error")["client_id"] == ID


@pytest.mark.parametrize(
    "text", ["x" * 2000, "\U0001f388" * 2000, " kept ", "</script>", "a\u2028", "\x01\x7f\ufeff"]
)
def test_text_within_the_rules_comes_back_as_it_was(
    workers: Pair, alice: Person, text: str
) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.say(text)
        assert client.expect("message")["message"] == text


def test_unknown_fields_are_passed_over_and_a_double_key_counts_last(
    workers: Pair, alice: Person
) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        client.socket.send('{"type":"typing","type":"message","message":"a","message":"b","x":1}')
        assert client.expect("message")["message"] == "b"


def test_a_frame_of_64_kib_is_read_and_a_larger_one_closes_the_socket(
    workers: Pair, alice: Person
) -> None:
    uri = make_room(alice)
    with chat(workers[0], alice, uri) as client:
        client.ready()
        padding = 65_536 - len('{"type":"typing","x":""}')
        client.send({"type": "typing", "x": ""})
        client.socket.send(
            json.dumps({"type": "typing", "x": "y" * padding}, separators=(",", ":"))
        )
        client.posts("still here")
        client.socket.send("x" * 65_537)
        assert client.closed() in (4413, 1009)
    for size in (100_000, 1_000_000, 5_000_000):
        with chat(workers[0], alice, uri) as client:
            client.ready()
            with contextlib.suppress(ConnectionClosed):
                client.socket.send(["x" * 1000] * (size // 1000))
            assert client.closed() in (4413, 1009)


def handshake(worker: Worker, path: str, key: str = "dGhlIHNhbXBsZSBub25jZQ==") -> socket.socket:
    """A raw connection with its handshake sent."""
    raw = socket.create_connection(("127.0.0.1", worker.port), timeout=5)
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return raw


def read_all(raw: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while chunk := raw.recv(65_536):
        data += chunk
    return data


@pytest.mark.parametrize(
    "wire",
    [
        b"\x81\x05hello",  # not masked
        b"\x83\x80\x00\x00\x00\x00",  # reserved opcode
        b"\xc1\x80\x00\x00\x00\x00",  # reserved bit
        b"\x81\x82\x00\x00\x00\x00\xc3\x28",  # no UTF-8
        b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126,  # ping too long
        b"\x80\x80\x00\x00\x00\x00",  # continuation of nothing
        b"\x88\x82\x00\x00\x00\x00\x00\x01",  # close with an impossible code
    ],
    ids=["unmasked", "opcode", "rsv", "utf-8", "ping", "continuation", "close code"],
)
def test_broken_framing_ends_the_connection_with_a_close_frame(workers: Pair, wire: bytes) -> None:
    with handshake(workers[0], "/ws/inbox/") as raw:
        assert b" 101 " in raw.recv(4096)
        raw.sendall(wire)
        assert raw.recv(65_536)[:1] == b"\x88"


@pytest.mark.parametrize(
    "request_line",
    ["POST /ws/inbox/ HTTP/1.1", "PUT /ws/inbox/ HTTP/1.1", "OPTIONS /ws/inbox/ HTTP/1.1"],
)
def test_a_handshake_that_is_none_is_answered_and_not_left_hanging(
    workers: Pair, request_line: str
) -> None:
    with socket.create_connection(("127.0.0.1", workers[0].port), timeout=5) as raw:
        raw.sendall(
            f"{request_line}\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "\r\n".encode()
        )
        status = int(read_all(raw).split(b" ", 2)[1])
        assert 400 <= status < 500


@pytest.mark.parametrize("key", ["", "x", "%%%"])
def test_a_handshake_with_a_bad_key_is_refused(workers: Pair, key: str) -> None:
    with handshake(workers[0], "/ws/inbox/", key) as raw:
        assert 400 <= int(read_all(raw).split(b" ", 2)[1]) < 500


@pytest.mark.parametrize("path", ["/ws/inbox/", "/ws/chats/x/", "/ws/none/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_under_ws_that_is_no_upgrade_is_426(
    workers: Pair, path: str, method: str
) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{workers[0].port}{path}", method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310
    with refused.value as answer:
        assert answer.code == 426
        assert answer.headers["Upgrade"] == "websocket"
        assert set(json.load(answer)) == {"detail", "code"}


def test_a_client_that_vanishes_without_a_word_leaves_nothing_behind(
    workers: Pair, alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    with chat(workers[0], bob, uri) as watcher:
        watcher.ready()
        client = chat(workers[0], alice, uri)
        client.ready()
        watcher.expect("presence", where=lambda frame: len(frame["online"]) == 2)
        client.socket.socket.shutdown(socket.SHUT_RDWR)
        watcher.expect("presence", where=lambda frame: len(frame["online"]) == 1)
        client.close()


def test_a_message_in_many_small_pieces_arrives(workers: Pair, alice: Person) -> None:
    with chat(workers[0], alice, make_room(alice)) as client:
        client.ready()
        text = json.dumps({"message": "piece by piece", "client_id": str(uuid.uuid4())})
        client.socket.send(iter(text))
        assert client.expect("message")["message"] == "piece by piece"


def test_a_client_that_talks_byte_by_byte_hinders_nobody(workers: Pair, alice: Person) -> None:
    uri = make_room(alice)
    with handshake(workers[0], f"/ws/chats/{uri}/") as slow, chat(workers[0], alice, uri) as client:
        client.ready()
        payload = json.dumps({"type": "auth", "token": alice.access}).encode()
        wire = b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload
        for place in range(40):
            slow.sendall(wire[place : place + 1])
            if place % 10 == 0:
                began = time.monotonic()
                client.say("quick")
                client.expect("ack", 2)
                assert time.monotonic() - began < 1
        slow.sendall(wire[40:])
        data = b""
        while b'"ready"' not in data:
            data += slow.recv(65_536)
