"""Of all paths: a lease lends one address of the provider, or a range of IPv6, to one account for egress."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from egressway.model.address import IPAddress, IPNetwork, parse_address, parse_network
from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, LeaseId

__all__ = ["Lease", "LeasedIP", "addresses_of", "parse_leased", "parse_leased_address"]

LeasedIP = IPAddress | IPv6Network
"""A range is IPv6 only: the server with the number n uses its n-th address."""

# No socket can send from these. Loopback and private addresses can be leased: a laboratory has no other.
_UNUSABLE: Final[tuple[IPNetwork, ...]] = tuple(
    ipaddress.ip_network(cidr)
    for cidr in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8")
)
_UNUSABLE_RANGES: Final = tuple(
    IPv6Network(cidr) for cidr in ("::/128", "::ffff:0:0/96", "fe80::/10", "ff00::/8")
)
_WIDEST: Final = 32


@dataclass(frozen=True, slots=True)
class Lease:
    """One address or range lent to one account; no other account has any of it at the same time."""

    id: LeaseId
    account_id: AccountId
    ip: LeasedIP
    created_on: datetime
    modified_on: datetime


def addresses_of(ip: LeasedIP, numbers: Iterable[int]) -> list[IPAddress]:
    """What servers with these numbers connect from."""
    if not isinstance(ip, IPv6Network):
        return [ip]
    return [ip[number] for number in numbers if number < ip.num_addresses]


def parse_leased(value: object, pointer: str = "/ip") -> LeasedIP:
    """One address, or a range such as 2001:db8:1::/64."""
    if not isinstance(value, str) or "/" not in value:
        return parse_leased_address(value, pointer)
    network = parse_network(value, pointer)
    if not isinstance(network, IPv6Network):
        raise Invalid("IPv4 is leased address by address, without a length.", pointer=pointer)
    if not _WIDEST <= network.prefixlen < network.max_prefixlen:
        raise Invalid(
            f"A range has a length of {_WIDEST} to 127; a single address has none.", pointer=pointer
        )
    if any(network.overlaps(each) for each in _UNUSABLE_RANGES):
        raise Invalid(f"Nothing can be sent from all of {network}.", pointer=pointer)
    return network


def parse_leased_address(value: object, pointer: str = "/ip") -> IPAddress:
    """An address that a socket can send from."""
    address = parse_address(value, pointer)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise Invalid(f"Write {address.ipv4_mapped} for {address}.", pointer=pointer)
    if any(address in network for network in _UNUSABLE):
        raise Invalid(f"Nothing can be sent from {address}.", pointer=pointer)
    return address
