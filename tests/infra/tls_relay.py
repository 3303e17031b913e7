"""TLS for clients that read and write in two threads.

OpenSSL's connections are not made for two threads at once, and Python before 3.13.7 does not keep
them apart: of 200 handshakes of websockets' threaded client, five were lost. Here one thread speaks
TLS and hands plain bytes on through a pair of sockets.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading

PIECE = 65_536


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A plain socket whose other end speaks TLS with the server. Raises OSError."""
    outside = socket.create_connection((host, port), timeout=timeout)
    tls = ssl.create_default_context().wrap_socket(outside, server_hostname=host)
    tls.setblocking(False)
    ours, theirs = socket.socketpair()
    threading.Thread(target=_pump, args=(tls, theirs), daemon=True).start()
    return ours


def _pump(tls: ssl.SSLSocket, plain: socket.socket) -> None:
    with contextlib.closing(tls), contextlib.closing(plain), contextlib.suppress(OSError):
        while True:
            ready = [tls] if tls.pending() else select.select([tls, plain], [], [])[0]
            if tls in ready:
                with contextlib.suppress(ssl.SSLWantReadError):
                    received = tls.recv(PIECE)
                    if not received:
                        return
                    plain.sendall(received)
            if plain in ready:
                sent = plain.recv(PIECE)
                if not sent:
                    return
                _send(tls, sent)


def _send(tls: ssl.SSLSocket, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[tls.send(left) :]
        except ssl.SSLWantWriteError:
            select.select([], [tls], [])
        except ssl.SSLWantReadError:
            select.select([tls], [], [])
