"""TLS as each nginx host really speaks it: offered everything, it accepts what is good."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from chat_client import told
from servers import Machine, Servers

V = ssl.TLSVersion
PATIENCE = 5.0
# What the server says when it wants none of what it was offered. Any other error would be ours,
# such as an OpenSSL that cannot offer it.
REFUSALS = {"TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"}
# certbot renews with 30 days left: less means that it failed for weeks.
DAYS_LEFT = 14
HSTS_SECONDS = 31_536_000


def offering(version: ssl.TLSVersion, ciphers: str = "ALL:COMPLEMENTOFALL") -> ssl.SSLContext:
    """A client that speaks one version, however weak, and looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = context.minimum_version = version
    return context


@contextmanager
def handshake(front: Machine, name: str, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((front.address, 443), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        yield connection


def ciphers(*, good: bool) -> str:
    """Those of TLS 1.2 with forward secrecy that authenticate what they encrypt, or the rest."""
    offered = [each for each in offering(V.TLSv1_2).get_ciphers() if each["protocol"] != "TLSv1.3"]
    forward = ("kx-ecdhe", "kx-dhe")
    named = [each["name"] for each in offered if (each["aead"] and each["kea"] in forward) == good]
    return ":".join(named)


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda version: version.name)
def test_a_version_of_today_is_accepted(
    servers: Servers, front: Machine, version: ssl.TLSVersion
) -> None:
    with handshake(front, servers.name, offering(version, ciphers(good=True))) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1], ids=lambda version: version.name)
def test_a_version_of_yesterday_is_refused(
    servers: Servers, front: Machine, version: ssl.TLSVersion
) -> None:
    with (
        pytest.raises(ssl.SSLError) as refused,
        handshake(front, servers.name, offering(version)),
    ):
        pass
    assert refused.value.reason in REFUSALS, refused.value


def test_no_cipher_is_accepted_that_could_be_read_later_or_changed(
    servers: Servers, front: Machine
) -> None:
    with (
        pytest.raises(ssl.SSLError) as refused,
        handshake(front, servers.name, offering(V.TLSv1_2, ciphers(good=False))),
    ):
        pass
    assert refused.value.reason in REFUSALS, refused.value


def test_the_certificate_holds_for_every_name_and_for_days(
    servers: Servers, front: Machine
) -> None:
    """Trusted, of this name and not run out: or the handshake fails."""
    for name in servers.names:
        with handshake(front, name, ssl.create_default_context()) as connection:
            certificate = connection.getpeercert()
        assert certificate
        left = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
        assert left > DAYS_LEFT * 86_400 or renewed_by_itself(front), certificate["notAfter"]


def renewed_by_itself(front: Machine) -> bool:
    timer = front.root("systemctl is-active certbot.timer && systemctl is-enabled certbot.timer")
    return front.variables.get("nginx_tls") == "acme" and timer.rc == 0


def test_http_leads_to_https_at_the_same_path(servers: Servers, front: Machine) -> None:
    answer = httpx.get(
        f"http://{front.address}/chats/some-chat?since=1",
        headers={"Host": servers.name},
        trust_env=False,
    )
    assert answer.status_code in (301, 308), told(answer)
    assert answer.headers["Location"] == f"https://{servers.name}/chats/some-chat?since=1"


@pytest.mark.parametrize("path", ["/", "/api/chats/", "/healthz", "/nothing.php"])
def test_browsers_are_told_to_insist_on_https(servers: Servers, front: Machine, path: str) -> None:
    """But for a certificate made on the spot, about which nobody could pass a warning."""
    made_here = front.variables.get("nginx_tls", "self-signed") == "self-signed"
    seconds = int(front.variables.get("nginx_hsts_seconds", 0 if made_here else HSTS_SECONDS))
    with handshake(front, servers.name, ssl.create_default_context()) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {servers.name}\r\n\r\n".encode())
        head = connection.makefile("rb").read().split(b"\r\n\r\n")[0].decode().lower()
    found = [line for line in head.splitlines() if line.startswith("strict-transport-security:")]
    assert len(found) == (1 if seconds else 0), head
    assert all(f"max-age={seconds}" in line for line in found), found
