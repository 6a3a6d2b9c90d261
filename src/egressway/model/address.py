"""Of all paths: addresses in one spelling, and the networks that no origin may lie in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from egressway.model.errors import Invalid

__all__ = [
    "DENIED_ORIGINS",
    "IPAddress",
    "IPNetwork",
    "OriginNetworks",
    "forbidden_reason",
    "parse_address",
    "parse_network",
]

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# The same list as the default of the data plane, which checks again when it connects.
DENIED_ORIGINS: Final[tuple[IPNetwork, ...]] = tuple(
    ipaddress.ip_network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # The first of IPv6, and every form that carries an IPv4 address inside: IPv4-compatible,
        # IPv4-mapped, NAT64, Teredo, 6to4. A gateway would turn them into any address of the above.
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True)
class OriginNetworks:
    """Where origins may lie: an account must not reach the fleet's inside.

    `allowed` are the operator's exceptions to `denied`.
    """

    denied: tuple[IPNetwork, ...] = DENIED_ORIGINS
    allowed: tuple[IPNetwork, ...] = ()

    def check(self, address: IPAddress, pointer: str) -> None:
        """Refuses `address` if no origin may have it."""
        reason = forbidden_reason(address, self.denied, self.allowed)
        if reason is not None:
            raise Invalid(reason, pointer=pointer)


def forbidden_reason(
    address: IPAddress, denied: Iterable[IPNetwork], allowed: Iterable[IPNetwork]
) -> str | None:
    """Why no origin may have `address`, or None when one may."""
    network = _network_of(address, denied)
    if network is None or _network_of(address, allowed) is not None:
        return None
    return (
        f"An origin must not lie in {network}: {address}. "
        "The operator can allow networks in the configuration."
    )


def parse_address(value: object, pointer: str) -> IPAddress:
    """One bare address: no prefix length, no port, no zone index, no number."""
    if not isinstance(value, str):
        raise Invalid("An address must be a string.", pointer=pointer)
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise Invalid(f"{value[:64]!r} is not an IP address.", pointer=pointer) from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise Invalid("An address must not carry a zone index.", pointer=pointer)
    return address


def parse_network(value: object, pointer: str) -> IPNetwork:
    """A CIDR without host bits."""
    if not isinstance(value, str):
        raise Invalid("A network must be a string such as 192.0.2.0/24.", pointer=pointer)
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise Invalid(
            f"{value[:64]!r} is not a network such as 192.0.2.0/24.", pointer=pointer
        ) from None
    if isinstance(network, IPv6Network) and network.network_address.scope_id is not None:
        raise Invalid("A network must not carry a zone index.", pointer=pointer)
    return network


def _network_of(address: IPAddress, networks: Iterable[IPNetwork]) -> IPNetwork | None:
    return next((network for network in networks if address in network), None)
