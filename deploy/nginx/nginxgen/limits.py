"""Rates and connections for one address, by nginx's leaky buckets.

A bucket's key is empty for requests it does not count. A request is either served at once or told
to come back; only signing in, which costs the http tier a password's hash, is also held to its
rate.
"""

from collections.abc import Iterator
from typing import Final

from nginxgen.builder import Comment, Directive, Node, Quoted, block, directive
from nginxgen.description import Description

# djoser answers to these with and without the slash, and its routes do not end where one thinks:
# POST /auth/jwt/createX signs in, /auth/users.json signs up. $uri is decoded as Django decodes it,
# so %63reate is counted too.
_SIGN_UP: Final = "~^POST /auth/users(?:[.][a-z0-9]+)?/?$"
# Besides signing in: the admin's own form, and what of one's account takes a password or sends
# mail (set_password, reset_password, DELETE of the account). Signing up does not count.
_SIGN_IN: Final = (
    "~^(?:POST /auth/jwt/create|POST /admin/login|POST /auth/users/[a-z]|DELETE /auth/users/)"
)


def zones(description: Description) -> Iterator[Node]:
    """Who is counted, what is counted, and the counters."""
    limits = description.limits
    yield Comment(
        "One client: an IPv4 address, or a /64 network of IPv6, of which one person has\n"
        "18 billion billion addresses."
    )
    yield block(
        "map",
        "$remote_addr",
        "$client",
        children=[
            directive("default", "$binary_remote_addr"),
            directive(Quoted("~^(?<network>(?:[0-9a-f]+:){4})"), "$network"),
            directive(Quoted("~^(?<short_network>[0-9a-f:]*?::)"), "$short_network"),
        ],
    )
    for name, pattern in (("$signing_up", _SIGN_UP), ("$signing_in", _SIGN_IN)):
        yield block(
            "map",
            Quoted("$request_method $uri"),
            name,
            children=[directive("default", Quoted("")), directive(Quoted(pattern), "$client")],
        )
    yield _zone("$signing_up", "sign_up", f"{limits.sign_ups_per_minute}r/m", limits.zone_mib)
    yield _zone("$signing_in", "sign_in", f"{limits.sign_ins_per_minute}r/m", limits.zone_mib)
    yield _zone("$client", "api", f"{limits.api_per_second}r/s", limits.zone_mib)
    yield _zone("$client", "handshake", f"{limits.handshakes_per_second}r/s", limits.zone_mib)
    yield directive("limit_conn_zone", "$client", f"zone=connections:{limits.zone_mib}m")
    yield directive("limit_req_status", 429)
    yield directive("limit_conn_status", 429)
    yield Comment("The access log names the limited; error lines would add their query strings.")
    yield directive("limit_req_log_level", "info")
    yield directive("limit_conn_log_level", "info")


def connections(description: Description) -> Directive:
    """The bound on open requests and tunnels."""
    return directive("limit_conn", "connections", description.limits.connections)


def limit_accounts(description: Description) -> Iterator[Directive]:
    """For /auth/: signing up, signing in, and all calls."""
    limits = description.limits
    yield _limit("sign_up", limits.sign_ups_burst)
    yield _limit_sign_ins(description)
    yield _limit("api", limits.api_burst)


def limit_admin(description: Description) -> Iterator[Directive]:
    """For /admin/: its sign-in, and all calls."""
    yield _limit_sign_ins(description)
    yield _limit("api", description.limits.api_burst)


def limit_calls(description: Description) -> Iterator[Directive]:
    """For /api/ and health: all calls."""
    yield _limit("api", description.limits.api_burst)


def limit_handshakes(description: Description) -> Iterator[Directive]:
    """For /ws/: handshakes. Open tunnels are connections; frames are the application's to count."""
    yield _limit("handshake", description.limits.handshakes_burst)


def _zone(key: str, name: str, rate: str, mib: int) -> Directive:
    return directive("limit_req_zone", key, f"zone={name}:{mib}m", f"rate={rate}")


def _limit_sign_ins(description: Description) -> Directive:
    limits = description.limits
    return _limit("sign_in", limits.sign_ins_burst, f"delay={limits.sign_ins_at_once}")


def _limit(name: str, burst: int, when: str = "nodelay") -> Directive:
    return directive("limit_req", f"zone={name}", f"burst={burst}", when)
