"""Limits bind whoever guesses passwords, and never below what docs/protocol.md promises."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from running import Nginx, Reply
from sites import Opened, Site
from test_websocket import HANDSHAKE, socket_to

from nginxgen.description import Description, Limits
from nginxgen.values import Whole

SIGN_UP = ("POST", "/auth/users/")
SIGN_IN = ("POST", "/auth/jwt/create/")
# So tight that the third request at once is refused.
TIGHT = Limits(sign_ups_per_minute=1, sign_ups_burst=1, sign_ins_per_minute=1, sign_ins_burst=1)


def burst(nginx: Nginx, count: int, method: str, path: str) -> list[int]:
    """The statuses of so many requests, as good as at once."""
    body = b"{}" if method == "POST" else None
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(nginx.ask, method, path, {}, body) for _ in range(count)]
        return [each.result().status for each in asked]


@pytest.mark.parametrize(
    ("count", "method", "path"),
    [(60, *SIGN_UP), (120, *SIGN_IN), (100, "GET", "/api/chats/"), (100, "POST", "/api/chats/")],
)
def test_the_promised_floor_passes_as_one_burst(
    opened: Opened, count: int, method: str, path: str
) -> None:
    with opened() as site:
        assert set(burst(site.nginx, count, method, path)) == {200}


def test_a_burst_of_sign_ins_is_held_to_the_rate_and_keeps_the_threads_free(
    opened: Opened,
) -> None:
    limits = Limits(sign_ins_per_minute=240, sign_ins_at_once=4)
    with opened(limits=limits) as site:
        started = time.monotonic()
        assert set(burst(site.nginx, 12, *SIGN_IN)) == {200}
        # One flows out at once, 4 may be ahead of the rate, 7 wait a quarter of a second each.
        assert time.monotonic() - started > 7 * 0.25 * 0.9


def test_two_hundred_handshakes_pass_as_one_burst(site: Site) -> None:
    statuses = [site.nginx.ask("GET", "/ws/inbox/", HANDSHAKE).status for _ in range(200)]
    assert set(statuses) == {101}


def test_the_defaults_lie_above_the_promised_floor() -> None:
    limits = Limits()
    assert limits.sign_ups_per_minute >= 60 <= limits.sign_ups_burst
    assert limits.sign_ins_per_minute >= 120 <= limits.sign_ins_burst
    assert limits.api_per_second >= 100 <= limits.api_burst
    assert limits.handshakes_per_second >= 200 <= limits.handshakes_burst
    # 2,000 clients behind one address come back at once.
    assert limits.handshakes_burst > 2000
    assert limits.connections > 10_000


@pytest.mark.parametrize(
    ("method", "path"),
    [
        SIGN_UP,
        ("POST", "/auth/users"),
        ("POST", "/auth/users.json"),
        ("POST", "/auth//users/"),
        SIGN_IN,
        ("POST", "/auth/jwt/create"),
        ("POST", "/auth/jwt/createX"),
        ("POST", "/auth/jwt/%63reate/"),
        ("POST", "/admin/login/?next=/admin/"),
        ("POST", "/auth/users/set_password/"),
        ("POST", "/auth/users/reset_password/"),
        ("DELETE", "/auth/users/me/"),
    ],
)
def test_who_repeats_what_takes_a_password_is_told_to_wait(
    opened: Opened, method: str, path: str
) -> None:
    with opened(limits=TIGHT) as site:
        assert burst(site.nginx, 2, method, path) == [200, 200]
        reply = site.nginx.ask(method, path, {}, b"{}")
        assert reply.status == 429
        assert int(reply.header("Retry-After") or 0) > 0
        assert len(site.http.requests) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/users/me/"),
        ("GET", "/auth/users/"),
        ("POST", "/auth/jwt/refresh/"),
        ("POST", "/auth/jwt/verify/"),
        ("POST", "/auth/logout/"),
        ("GET", "/admin/login/"),
        ("POST", "/api/chats/"),
        ("OPTIONS", "/auth/users/"),
    ],
)
def test_other_calls_are_not_counted_as_signing_in(opened: Opened, method: str, path: str) -> None:
    with opened(limits=TIGHT) as site:
        assert burst(site.nginx, 5, method, path) == [200] * 5


def test_signing_up_and_signing_in_are_counted_apart(opened: Opened) -> None:
    with opened(limits=TIGHT) as site:
        assert burst(site.nginx, 2, *SIGN_UP) == [200, 200]
        assert burst(site.nginx, 2, *SIGN_IN) == [200, 200]


def test_too_many_calls_are_refused_in_json_and_counted_for_all_of_the_api(opened: Opened) -> None:
    with opened(limits=Limits(api_per_second=1, api_burst=1)) as site:
        assert site.nginx.ask("GET", "/api/chats/").status == 200
        assert site.nginx.ask("GET", "/auth/users/me/").status == 200
        reply: Reply = site.nginx.ask("GET", "/readyz")
        assert (reply.status, json.loads(reply.body)["code"]) == (429, "throttled")
        assert reply.header("Content-Type") == "application/json"


def test_too_many_handshakes_are_refused(opened: Opened) -> None:
    with opened(limits=Limits(handshakes_per_second=1, handshakes_burst=1)) as site:
        statuses = [site.nginx.ask("GET", "/ws/inbox/", HANDSHAKE).status for _ in range(3)]
        assert statuses == [101, 101, 429]


def test_open_sockets_count_as_connections(opened: Opened) -> None:
    with opened(limits=Limits(connections=2)) as site:
        with socket_to(site.nginx), socket_to(site.nginx):
            reply = site.nginx.ask("GET", "/api/chats/")
            assert (reply.status, json.loads(reply.body)["code"]) == (429, "throttled")
        # Closed ones count no more.
        assert site.nginx.ask("GET", "/api/chats/").status in {200, 429}


def test_the_page_is_not_limited_as_calls_are(opened: Opened) -> None:
    with opened(limits=Limits(api_per_second=1, api_burst=1)) as site:
        assert burst(site.nginx, 20, "GET", "/") == [200] * 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:1:2:3", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("2001:db8::1", "2001:db8::2:3", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "192.0.2.1", True),
    ],
)
def test_an_ipv6_network_counts_as_one_client(
    opened: Opened, one: str, other: str, same: bool
) -> None:
    limits = Limits(sign_ins_per_minute=1, sign_ins_burst=1)
    with opened(limits=limits, trusted_proxies=("127.0.0.1",)) as site:
        for _ in range(2):
            assert site.nginx.ask(*SIGN_IN, {"X-Forwarded-For": one}, b"{}").status == 200
        assert site.nginx.ask(*SIGN_IN, {"X-Forwarded-For": one}, b"{}").status == 429
        status = site.nginx.ask(*SIGN_IN, {"X-Forwarded-For": other}, b"{}").status
        assert status == (429 if same else 200)


def test_every_limit_is_a_variable() -> None:
    for name in Limits.__dataclass_fields__:
        kind = Limits.__dataclass_fields__[name].metadata["setting"].kind
        assert isinstance(kind, Whole), name
    assert Description.__dataclass_fields__["limits"].type is Limits
