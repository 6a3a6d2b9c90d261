"""Announcements of a node, as configured: what the fleet's state comes to for this server, told to the
routers while the server is ready.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from egressway.model.address import IPAddress
from egressway.node.announce import (
    AnnouncementError,
    AnnouncementPolicy,
    Announcer,
    AnnounceWhileReady,
    BgpSettings,
    ExaBgp,
    Peer,
    Route,
    routes_of,
)
from egressway.node.announce.desired import Family
from egressway.node.follow import Follower
from egressway.services.configuration.types import Announce, PeerSettings
from egressway.services.start_error import StartError

__all__ = ["MakeAnnouncer", "announcements"]

MakeAnnouncer = Callable[[BgpSettings], Announcer]
_FAMILIES: Final[dict[str, tuple[Family, ...]]] = {
    "own": (),
    "4": (4,),
    "6": (6,),
    "both": (4, 6),
}


def announcements(
    settings: Announce,
    server: str,
    follower: Follower,
    is_ready: Callable[[], bool],
    make: MakeAnnouncer = ExaBgp,
) -> AnnounceWhileReady | None:
    """Follows the fleet already, and opens sessions from its `start` on; None where nothing is told."""
    if settings.asn == 0:
        return None
    try:
        announcing = AnnounceWhileReady(make(_bgp(settings)), is_ready)
        policy = _policy(settings)
    except AnnouncementError as refused:
        raise StartError(f"`[announce]` cannot be used: {refused}") from refused
    follower.on_state(
        lambda state: announcing.set(routes_of(state.topology, state.pools, server, policy))
    )
    return announcing


def _bgp(settings: Announce) -> BgpSettings:
    router_id = settings.router_id
    assert isinstance(router_id, IPv4Address), "checked when it was read"
    return BgpSettings(
        asn=settings.asn,
        router_id=router_id,
        peers=tuple(_peer(peer) for peer in settings.peers),
        hold_seconds=settings.hold_seconds,
        next_hop4=_of_family4(settings.next_hop4),
        next_hop6=_of_family6(settings.next_hop6),
    )


def _peer(peer: PeerSettings) -> Peer:
    return Peer(
        address=peer.address,
        asn=peer.asn,
        families=_FAMILIES[peer.families],
        password=peer.password or None,
        local_address=peer.local_address,
        port=peer.port,
    )


def _policy(settings: Announce) -> AnnouncementPolicy:
    default = Route(
        ip_network("0.0.0.0/0"),
        med=settings.med or None,
        prepend=settings.prepend,
        communities=settings.communities,
        large_communities=settings.large_communities,
    )
    return AnnouncementPolicy(default=default, aggregates=settings.aggregates)


def _of_family4(address: IPAddress | None) -> IPv4Address | None:
    if address is None or isinstance(address, IPv4Address):
        return address
    raise AnnouncementError(f"`next_hop4` is `{address}`, which is no IPv4 address.")


def _of_family6(address: IPAddress | None) -> IPv6Address | None:
    if address is None or isinstance(address, IPv6Address):
        return address
    raise AnnouncementError(f"`next_hop6` is `{address}`, which is no IPv6 address.")
