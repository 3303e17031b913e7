"""What is called lost and doubled, and how streams are read."""

from __future__ import annotations

import asyncio

import pytest

from load import tally
from load.socket import Socket, client_frame, walk
from scenarios.case import count


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A server's frame: unmasked."""
    head = bytes((0x80 | opcode,))
    if len(payload) < 126:
        return head + bytes((len(payload),)) + payload
    return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload


def stream(*numbers: int) -> bytes:
    return b"".join(frame(b'{"message":"~%07d~xx"}' % number) for number in numbers)


def test_numbers_are_never_used_twice() -> None:
    first, second = tally.texts(3), tally.texts(2)
    assert len({number for number, _ in first + second}) == 5
    assert all(len(text) == tally.TEXT_BYTES for _, text in first)


def test_a_message_has_arrived_with_the_chunk_that_ends_its_number() -> None:
    whole = stream(1, 2)
    cut = whole.index(b"0002") + 2
    assert tally.read([whole[:cut], whole[cut:]], [10.0, 20.0]) == [(1, 10.0), (2, 20.0)]


def test_what_arrived_once_is_neither_lost_nor_doubled() -> None:
    counted = tally.Tally()
    counted.add({1: 1.0, 2: 2.0}, [(1, 1.5), (2, 3.0)])
    assert counted.whole
    assert (counted.wanted, counted.arrived) == (2, 2)
    assert counted.took == [0.5, 1.0]
    assert counted.seconds == 2.0


def test_lost_and_doubled_are_counted_for_each_socket() -> None:
    sent = {1: 0.0, 2: 0.0, 3: 0.0}
    counted = tally.Tally()
    counted.add(sent, [(1, 1.0), (1, 1.1), (1, 1.2), (3, 1.0)])
    counted.add(sent, [(1, 1.0), (2, 1.0), (3, 1.0)])
    assert (counted.lost, counted.doubled) == (1, 2)
    assert not counted.whole


def test_what_belongs_to_an_earlier_run_is_not_counted() -> None:
    counted = tally.Tally()
    counted.add({7: 0.0}, [(6, 1.0), (7, 1.0)])
    assert counted.whole


def test_what_was_said_in_another_room_has_leaked() -> None:
    counted = tally.Tally()
    counted.add({}, [(6, 1.0), (8, 1.0)], {7, 8})
    assert (counted.leaked, counted.lost, counted.arrived) == (1, 0, 0)
    assert not counted.whole


def test_a_socket_that_is_only_checked_adds_no_delivery_and_no_time() -> None:
    counted = tally.Tally()
    counted.add({1: 0.0, 2: 0.0}, [(1, 1.0), (2, 1.0)])
    counted.check({1: 0.0, 2: 0.0}, [(1, 9.0), (1, 9.0), (3, 9.0)], {1, 2, 3})
    assert (counted.lost, counted.doubled, counted.leaked) == (1, 1, 1)
    assert (counted.arrived, counted.took, counted.last) == (2, [1.0, 1.0], 1.0)


def test_posters_and_the_sockets_of_idle_rooms_are_looked_at() -> None:
    async def look() -> tally.Tally:
        # Two rooms, of which one is idle; each has two sockets, and a third that posts.
        sockets = [Socket(b"", b"", b"", None) for _ in range(6)]
        for n, numbers in enumerate([(1, 2), (), (1, 2), (2,), (1,), ()]):
            sockets[n].chunks, sockets[n].times = [stream(*numbers)], [5.0]
        return count(sockets[:4], [{1: 0.0, 2: 0.0}, {}], sockets[4:])

    counted = asyncio.run(look())
    assert (counted.lost, counted.doubled, counted.leaked) == (1, 0, 1)
    assert (counted.arrived, len(counted.took)) == (4, 4)


@pytest.mark.parametrize("size", [0, 125, 126, 300, 65_535])
def test_pings_are_found_between_frames_of_any_size(size: int) -> None:
    text = b"\x89" * size  # looks like pings, and is none
    found, at = walk(frame(text) + frame(b"beat", 9) + frame(text))
    assert found == [(9, b"beat")]
    assert at == len(frame(text)) * 2 + len(frame(b"beat", 9))


def test_a_walk_stops_where_a_frame_is_cut_and_can_go_on_there() -> None:
    text, ping = frame(b"x" * 300), frame(b"beat", 9)
    # Within the payload of a text: the rest is to be skipped.
    assert walk(text[:100]) == ([], len(text))
    # Within a head, or within a ping: to be looked at again.
    assert walk(text + ping[:1]) == ([], len(text))
    assert walk(text + ping[:4]) == ([], len(text))


def test_a_clients_frame_is_masked_with_nothing() -> None:
    assert client_frame(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert client_frame(b"x" * 200)[:4] == b"\x81\xfe\x00\xc8"


def test_a_tally_that_another_is_joined_to_has_what_both_have() -> None:
    whole, other = tally.Tally(), tally.Tally()
    whole.add({1: 10.0}, [(1, 10.5)])
    other.add({2: 20.0, 3: 21.0}, [(2, 22.0), (2, 23.0), (9, 23.0)], everywhere={9})
    whole.join(other)
    assert (whole.wanted, whole.arrived) == (3, 2)
    assert (whole.lost, whole.doubled, whole.leaked) == (1, 1, 1)
    assert whole.took == [0.5, 2.0]
    assert whole.seconds == 12.0
