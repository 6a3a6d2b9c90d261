"""Of all paths: a lease lends one address of the provider to one account, for egress."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Final

from egressway.model.address import IPAddress, IPNetwork, parse_address
from egressway.model.errors import Invalid
from egressway.model.ids import AccountId, LeaseId

__all__ = ["Lease", "parse_leased_address"]

# No socket can send from these. Loopback and private addresses can be leased: a laboratory has no other.
_UNUSABLE: Final[tuple[IPNetwork, ...]] = tuple(
    ipaddress.ip_network(cidr)
    for cidr in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8")
)


@dataclass(frozen=True, slots=True)
class Lease:
    """One address lent to one account; no other account has it at the same time."""

    id: LeaseId
    account_id: AccountId
    ip: IPAddress
    created_on: datetime
    modified_on: datetime


def parse_leased_address(value: object, pointer: str = "/ip") -> IPAddress:
    """An address that a socket can send from."""
    address = parse_address(value, pointer)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise Invalid(f"Write {address.ipv4_mapped} for {address}.", pointer=pointer)
    if any(address in network for network in _UNUSABLE):
        raise Invalid(f"Nothing can be sent from {address}.", pointer=pointer)
    return address
