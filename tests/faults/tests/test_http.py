"""Whom the ledger's HTTP client trusts, and what it counts."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ledger.http import Http, Untrusted, trust


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that vouches for itself, with its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", path, "-out", f"{path}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@asynccontextmanager
async def site(certificate: Path | None, answers: int = 100) -> AsyncIterator[str]:
    """Answers so many requests a connection with nothing, and hangs up on the next."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answers):
            try:
                await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, OSError):
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            await reader.read(1)
        writer.close()

    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http{'s' if tls else ''}://localhost:{port}"
    finally:
        server.close()


def test_a_ca_in_a_file_is_trusted(certificate: Path) -> None:
    async def ask() -> int:
        async with site(certificate) as url:
            http = Http(url, trust(url, str(certificate)))
            answer = await http.request("GET", "/")
            http.close()
            return answer.status

    assert asyncio.run(ask()) == 200


def test_without_it_the_refusal_is_final(certificate: Path) -> None:
    async def ask() -> None:
        async with site(certificate) as url:
            await Http(url, trust(url, None)).request("GET", "/")

    with pytest.raises(Untrusted, match="self-signed"):
        asyncio.run(ask())


def test_a_ca_file_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="No such file"):
        trust("https://localhost", "/nowhere.pem")


def test_a_request_that_a_closing_connection_swallowed_is_sent_again_and_counted() -> None:
    async def ask() -> int:
        async with site(None, answers=1) as url:
            http = Http(url)
            for _ in range(2):
                assert (await http.request("GET", "/")).status == 200
            http.close()
            return http.resent

    assert asyncio.run(ask()) == 1
