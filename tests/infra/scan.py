"""Which TCP ports of a host are open, found by connecting to every one."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

PORTS = range(1, 65536)
# Where a packet filter drops, nothing answers at all; what answers does so within a round trip.
ANSWER_SECONDS = 0.5
# Sockets open at a time, for all hosts together: with the wait above, one host takes 4 s.
AT_ONCE = 12_000
# Files that this process has open besides.
OTHER_FILES = 500


def scan(addresses: Sequence[str]) -> dict[str, set[int]]:
    """The open ports of each address, all scanned side by side."""
    share = _files_at_once() // len(addresses)
    with ThreadPoolExecutor(len(addresses)) as pool:
        found = pool.map(lambda address: open_ports(address, PORTS, share), addresses)
        return dict(zip(addresses, found, strict=True))


def _files_at_once() -> int:
    """As many as the system lets this process open, which it may have to be asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = AT_ONCE + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(AT_ONCE, soft - OTHER_FILES)


def open_ports(address: str, ports: Sequence[int], at_once: int) -> set[int]:
    """The ports that accept a connection from here. Raises OSError for a name nobody knows."""
    family, _, _, _, where = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0]
    found: set[int] = set()
    for first in range(0, len(ports), at_once):
        found |= _tried(family, str(where[0]), ports[first : first + at_once])
    return found


def _tried(family: socket.AddressFamily, address: str, ports: Sequence[int]) -> set[int]:
    """Those that answered in time, of ports that are all tried at once."""
    found = set()
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for port in ports:
            probe = stack.enter_context(socket.socket(family))
            probe.setblocking(False)
            probe.connect_ex((address, port))
            selector.register(probe, selectors.EVENT_WRITE, (port, probe))
        deadline = time.monotonic() + ANSWER_SECONDS
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                port, probe = key.data
                selector.unregister(probe)
                if probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(port)
    return found
