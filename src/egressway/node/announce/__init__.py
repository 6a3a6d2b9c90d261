"""Tells the data center's routers which addresses this server takes packets for (beside CONFIG 4).

`desired` says what a route and a peer are, `announcer` what every announcer promises, `exabgp` keeps the
promise by ExaBGP (`exabgp_child`, `exabgp_text`, `exabgp_events`, `relay`), `fake` without BGP.
`while_ready` ties announcements to readiness, `from_fleet` derives them from the fleet's state.
"""

from egressway.node.announce.announcer import Announcer, AnnouncerStatus, PeerStatus
from egressway.node.announce.desired import AnnouncementError, BgpSettings, Peer, Route
from egressway.node.announce.exabgp import ExaBgp
from egressway.node.announce.fake import FakeAnnouncer
from egressway.node.announce.from_fleet import AnnouncementPolicy, routes_of
from egressway.node.announce.while_ready import AnnounceWhileReady

__all__ = [
    "AnnounceWhileReady",
    "AnnouncementError",
    "AnnouncementPolicy",
    "Announcer",
    "AnnouncerStatus",
    "BgpSettings",
    "ExaBgp",
    "FakeAnnouncer",
    "Peer",
    "PeerStatus",
    "Route",
    "routes_of",
]
