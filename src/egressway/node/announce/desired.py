"""What is announced to whom, as values (beside CONFIG 4); no process, no clock.

A `Route` is one prefix with what routers are told about it. Every peer is told the routes of the
families that its session carries; next hop is this server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, TypeAlias

__all__ = [
    "AnnouncementError",
    "BgpSettings",
    "Family",
    "Peer",
    "Prefix",
    "Route",
    "by_prefix",
    "family_of",
]

Family: TypeAlias = Literal[4, 6]
Prefix: TypeAlias = IPv4Network | IPv6Network
_MOST_PREPENDED = 16
_LONGEST_PASSWORD = 80
"""Bytes; the kernel's limit for TCP MD5."""


class AnnouncementError(ValueError):
    """The settings cannot be announced with; the text says what to change."""


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One prefix, and what routers learn with it."""

    prefix: Prefix
    med: int | None = None
    prepend: int = 0
    """How many times the own AS stands in the path beyond the usual; for peers of another AS."""
    communities: tuple[str, ...] = ()
    """`64512:100`."""
    large_communities: tuple[str, ...] = ()
    """`64512:100:1`."""

    def __post_init__(self) -> None:
        if self.med is not None and not 0 <= self.med < 2**32:
            raise AnnouncementError(f"MED {self.med} is not between 0 and 4294967295.")
        if not 0 <= self.prepend <= _MOST_PREPENDED:
            raise AnnouncementError(
                f"prepending {self.prepend} times is not between 0 and {_MOST_PREPENDED}."
            )
        for text in self.communities:
            _check_community(text, parts=2, largest=2**16 - 1)
        for text in self.large_communities:
            _check_community(text, parts=3, largest=2**32 - 1)


@dataclass(frozen=True, slots=True)
class Peer:
    """A router of the data center."""

    address: IPv4Address | IPv6Address
    asn: int
    families: tuple[Family, ...] = ()
    """What the session carries; the family of its own address when nothing is said."""
    password: str | None = None
    """For TCP MD5."""
    local_address: IPv4Address | IPv6Address | None = None
    """Of this server, towards this peer; what the kernel would use when nothing is said."""
    port: int = 179

    def __post_init__(self) -> None:
        if not 1 <= self.asn < 2**32:
            raise AnnouncementError(f"AS {self.asn} of peer {self.address} is no AS number.")
        secret = self.password
        if secret is not None and not (
            secret.isascii() and secret.isalnum() and 1 <= len(secret) <= _LONGEST_PASSWORD
        ):
            raise AnnouncementError(
                f"the password of peer {self.address} must be 1-{_LONGEST_PASSWORD} letters and digits."
            )
        if self.local_address and self.local_address.version != self.address.version:
            raise AnnouncementError(
                f"`local_address` of peer {self.address} must be of the same family as the peer."
            )

    @property
    def carried(self) -> tuple[Family, ...]:
        """Families of the session."""
        return self.families or (family_of(self.address),)


@dataclass(frozen=True, slots=True)
class BgpSettings:
    """This server's own configuration of BGP."""

    asn: int
    router_id: IPv4Address
    peers: tuple[Peer, ...]
    hold_seconds: int = 6
    """After so long without a sign of life a router gives this server up."""
    next_hop4: IPv4Address | None = None
    next_hop6: IPv6Address | None = None
    """Next hop for the family that a session's own addresses are not of."""

    def __post_init__(self) -> None:
        if not 1 <= self.asn < 2**32:
            raise AnnouncementError(f"AS {self.asn} is no AS number.")
        if not 3 <= self.hold_seconds <= 65_535:
            raise AnnouncementError(f"`hold_seconds` {self.hold_seconds} is not at least 3.")
        seen = set()
        for peer in self.peers:
            if peer.address in seen:
                raise AnnouncementError(f"peer {peer.address} is given twice.")
            seen.add(peer.address)
            for family in peer.carried:
                self._check_next_hop(peer, family)

    def next_hop(self, peer: Peer, family: Family) -> IPv4Address | IPv6Address | None:
        """What stands as the next hop; None: this end of the session."""
        if family_of(peer.address) == family:
            return None
        return self.next_hop4 if family == 4 else self.next_hop6

    def _check_next_hop(self, peer: Peer, family: Family) -> None:
        if family_of(peer.address) != family and self.next_hop(peer, family) is None:
            raise AnnouncementError(
                f"the session with {peer.address} carries IPv{family}, and `next_hop{family}` is "
                "not given. Give it, or use a second session over that family."
            )


def family_of(value: IPv4Address | IPv6Address | Prefix) -> Family:
    """4 or 6."""
    return 4 if value.version == 4 else 6


def by_prefix(routes: Iterable[Route]) -> dict[Prefix, Route]:
    """One for each; the last one counts."""
    return {route.prefix: route for route in routes}


def _check_community(text: str, *, parts: int, largest: int) -> None:
    fields = text.split(":")
    if len(fields) != parts or not all(
        field.isascii() and field.isdigit() and int(field) <= largest for field in fields
    ):
        example = ":".join(("64512", "100", "1")[:parts])
        raise AnnouncementError(f"`{text}` is no community; write it like `{example}`.")
