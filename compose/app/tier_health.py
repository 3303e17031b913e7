"""Health check of a tier's container: asks /readyz of the socket this container serves.

Exit status 0 when the answer is 200, else 1 with the answer's first line. It runs every few
seconds in each container, so it imports what starts fast, and not pathlib.
"""

import socket
import sys

TIMEOUT_SECONDS = 4


def own_socket(tier: str) -> str:
    """Where this container listens, whichever slot it serves in (see slots.sh)."""
    return f"/run/chatire/{tier}/replica-{socket.gethostname()}.sock"


def status_line(path: str) -> str:
    """The first line of the answer to GET /readyz; raises OSError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(path)
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(512).split(b"\r\n", 1)[0].decode("latin-1")


if __name__ == "__main__":
    try:
        answer = status_line(own_socket(sys.argv[1]))
    except OSError as error:
        sys.exit(str(error))
    if " 200 " not in f"{answer} ":
        sys.exit(answer)
