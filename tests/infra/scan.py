"""Which TCP ports of a host are open, found by connecting to them."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

EVERY = range(1, 65536)
# Where a service is looked for by anybody who scans; a tenth of the work of all of them. What
# listens on a host at a higher one is asked of the host.
USUAL = range(1, 10_001)
# Where a packet filter drops, nothing answers at all; what answers does so within a round trip.
ANSWER_SECONDS = 0.5
# Sockets open at a time, for all hosts together: with the wait above, the usual ports of a host
# take a second, and every one 5 s.
AT_ONCE = 12_000
# Files that this process has open besides.
OTHER_FILES = 500


def scan(wanted: Mapping[str, Sequence[int]]) -> dict[str, set[int]]:
    """Those of the ports that are open, by address; all addresses are scanned side by side."""
    share = _files_at_once() // len(wanted)
    with ThreadPoolExecutor(len(wanted)) as pool:
        found = pool.map(lambda each: open_ports(each[0], each[1], share), wanted.items())
        return dict(zip(wanted, found, strict=True))


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
