"""The section of BGP: what routers are told, and which."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final

from egressway.model.address import IPAddress, IPNetwork
from egressway.services.configuration.key import Key
from egressway.services.configuration.values import (
    ADDRESS,
    NETWORKS,
    OPTIONAL_ADDRESS,
    OPTIONAL_TEXT,
    PORT,
    TEXTS,
    choice,
    number,
)

__all__ = ["Announce", "PeerSettings"]

_LARGEST_ASN: Final = 2**32 - 1
_LOOPBACK: Final[IPAddress] = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """One entry of `[[announce.peers]]`."""

    address: Annotated[IPAddress, Key(ADDRESS, "Address of the router.")] = _LOOPBACK
    asn: Annotated[int, Key(number(1, _LARGEST_ASN), "AS number of the router.")] = 1
    port: Annotated[int, Key(PORT, "Port of the router.")] = 179
    families: Annotated[
        str,
        Key(
            choice("own", "4", "6", "both"),
            "What the session carries; `own` is the family of the router's address.",
        ),
    ] = "own"
    password: Annotated[str, Key(OPTIONAL_TEXT, "For TCP MD5: letters and digits.")] = ""
    local_address: Annotated[
        IPAddress | None,
        Key(OPTIONAL_ADDRESS, "Address of this server towards the router; empty: the kernel's."),
    ] = None


@dataclass(frozen=True, slots=True)
class Announce:
    """Egress addresses announced by BGP to the routers of the data center."""

    asn: Annotated[
        int, Key(number(0, _LARGEST_ASN), "AS number of this server; 0 announces nothing.")
    ] = 0
    router_id: Annotated[
        IPAddress | None,
        Key(OPTIONAL_ADDRESS, "An IPv4 address of this server, its BGP identifier."),
    ] = None
    hold_seconds: Annotated[
        int,
        Key(
            number(3, 65_535), "After so long without a sign of life a router gives this server up."
        ),
    ] = 6
    next_hop4: Annotated[
        IPAddress | None,
        Key(OPTIONAL_ADDRESS, "Next hop of IPv4 on sessions over IPv6; empty: none are carried."),
    ] = None
    next_hop6: Annotated[
        IPAddress | None,
        Key(OPTIONAL_ADDRESS, "Next hop of IPv6 on sessions over IPv4; empty: none are carried."),
    ] = None
    med: Annotated[int, Key(number(0, _LARGEST_ASN), "MED of what is announced; 0 is none.")] = 0
    prepend: Annotated[
        int, Key(number(0, 16), "How many times more than usual the own AS stands in the path.")
    ] = 0
    communities: Annotated[tuple[str, ...], Key(TEXTS, "Such as `64512:100`.")] = ()
    large_communities: Annotated[tuple[str, ...], Key(TEXTS, "Such as `64512:100:1`.")] = ()
    aggregates: Annotated[
        tuple[IPNetwork, ...],
        Key(NETWORKS, "Announced in place of the addresses inside, while there is one."),
    ] = ()
    peers: tuple[PeerSettings, ...] = ()
    """The routers."""
