"""Packets that are lost: nftables inside one container's network, with rules that go as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from breaking.engine import Trouble, docker, in_network_of

TABLE = "inet chatire_fault"
POSTGRES = 5432
NGINX = 8080
RESOLVER = "127.0.0.11"


@contextmanager
def filtered(container: str, image: str, chains: str) -> Iterator[None]:
    """These chains hold in a container's network; none of them is left, even if it was killed."""
    in_network_of(container, image, "nft", "-f", "-", stdin=f"table {TABLE} {{\n{chains}\n}}\n")
    try:
        yield
    finally:
        # A container that was restarted meanwhile has a network without them.
        running = docker("inspect", "--format={{.State.Running}}", container) == "true"
        if running and "chatire_fault" in in_network_of(container, image, "nft", "list", "tables"):
            in_network_of(container, image, "nft", "delete", "table", *TABLE.split())


def both_ways(port: int, verdict: str, *, served_here: bool = False) -> str:
    """Chains with a verdict on all packets from and to a port of somebody else, or of one's own."""
    out, back = ("sport", "dport") if served_here else ("dport", "sport")
    return "\n".join(
        f"chain {name} {{\n type filter hook {name} priority 0\n"
        f' {interface} "lo" tcp {field} {port} {verdict}\n}}'
        for name, interface, field in (("output", "oifname !=", out), ("input", "iifname !=", back))
    )


@contextmanager
def black_hole(containers: Sequence[str], image: str) -> Iterator[None]:
    """Nothing goes to PostgreSQL or comes from it, and nobody says so."""
    with ExitStack() as undo:
        for each in containers:
            undo.enter_context(filtered(each, image, both_ways(POSTGRES, "drop")))
        yield


@contextmanager
def half_open(container: str, image: str) -> Iterator[None]:
    """The connections that a container has to PostgreSQL carry nothing more, and nobody says so.

    New ones work: as after a firewall or an address translation on the way has forgotten its state.
    """
    ports = ", ".join(map(str, _connected(container, image)))
    chains = "\n".join(
        f"chain {name} {{\n type filter hook {name} priority 0\n"
        f" tcp {far} {POSTGRES} tcp {near} {{ {ports} }} drop\n}}"
        for name, far, near in (("output", "dport", "sport"), ("input", "sport", "dport"))
    )
    with filtered(container, image, chains):
        yield


def _connected(container: str, image: str) -> list[int]:
    """The ports here of what is connected to PostgreSQL. Raises Trouble where nothing is."""
    said = in_network_of(
        container, image, "ss", "-Htn", "state", "established", "dport", "=", f":{POSTGRES}"
    )
    # Two queues, then this side's address and the other's.
    ports = [int(line.split()[2].rpartition(":")[2]) for line in said.splitlines()]
    if not ports:
        raise Trouble(f"{container} has no connection to PostgreSQL")
    return ports


@contextmanager
def silence(postgres: str, image: str) -> Iterator[None]:
    """PostgreSQL hears nobody and nobody hears it."""
    with filtered(postgres, image, both_ways(POSTGRES, "drop", served_here=True)):
        yield


@contextmanager
def loss(containers: Sequence[str], image: str, percent: int) -> Iterator[None]:
    """So many of a hundred packets to and from PostgreSQL are lost, each way."""
    with ExitStack() as undo:
        for each in containers:
            verdict = f"numgen random mod 100 < {percent} drop"
            undo.enter_context(filtered(each, image, both_ways(POSTGRES, verdict)))
        yield


@contextmanager
def refusal(containers: Sequence[str], image: str) -> Iterator[None]:
    """Connections to PostgreSQL are reset, those that are open and those that are tried."""
    chain = (
        "chain output {\n type filter hook output priority 0\n"
        f" tcp dport {POSTGRES} reject with tcp reset\n}}"
    )
    with ExitStack() as undo:
        for each in containers:
            undo.enter_context(filtered(each, image, chain))
        yield


@contextmanager
def no_names(containers: Sequence[str], image: str) -> Iterator[None]:
    """Names are not resolved: questions to the engine's resolver get no answer."""
    # Before the engine's own rule, which sends them on to another port.
    chain = (
        "chain names {\n type filter hook output priority -300\n"
        f" ip daddr {RESOLVER} udp dport 53 drop\n ip daddr {RESOLVER} tcp dport 53 drop\n}}"
    )
    with ExitStack() as undo:
        for each in containers:
            undo.enter_context(filtered(each, image, chain))
        yield


@contextmanager
def browsers_cut_off(nginx: str, image: str) -> Iterator[None]:
    """Nothing goes between nginx and the outside; what is inside goes on."""
    with filtered(nginx, image, both_ways(NGINX, "drop", served_here=True)):
        yield


@contextmanager
def diverted(container: str, image: str, user: int, port: int) -> Iterator[None]:
    """What a user of a container sends to PostgreSQL arrives at a port beside it instead.

    Only new connections; whoever listens on that port has to be somebody else.
    """
    chain = (
        "chain divert {\n type nat hook output priority -100\n"
        f" tcp dport {POSTGRES} meta skuid {user} redirect to :{port}\n}}"
    )
    with filtered(container, image, chain):
        yield
