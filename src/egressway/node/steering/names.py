"""What in a host's network is ours: one list, so that cleaning up takes away exactly this.

Everything else belongs to somebody else and is left alone, or is a reason to refuse.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "HARDWARE_PREFIX",
    "LOCAL_PREFERENCE",
    "LOCK",
    "LOST_PREFERENCE",
    "MARKS",
    "MARKS_MASK",
    "MARK_PREFERENCE",
    "MOST_SERVERS",
    "NFT_TABLE",
    "OTHERS_PREFERENCE",
    "OWN_MARK",
    "PROTOCOL",
    "TUNNEL_DEVICE",
    "is_our_table",
    "mark_of",
]

NFT_TABLE: Final = "egressway_steer"
"""Table of the family `ip`."""

PROTOCOL: Final = 69
"""Marks routes and rules that are ours (`proto 69` in what `ip` prints)."""

MARKS: Final = 0x4547_0000
MARKS_MASK: Final = 0xFFFF_0000
MOST_SERVERS: Final = 0x1_0000
"""Marks are also the numbers of the routing tables: one a server."""

OWN_MARK: Final = 0x4546_0000
"""Of packets that this server keeps; outside the marks above, so that no rule looks at them."""

OTHERS_PREFERENCE: Final = 10
"""Packets without a mark of ours go straight on to the local table."""
MARK_PREFERENCE: Final = 20
LOST_PREFERENCE: Final = 30
"""Marked, and no way to the server: the packet ends here."""
LOCAL_PREFERENCE: Final = 100
"""The local table, which was at 0."""

TUNNEL_DEVICE: Final = "egressway"
HARDWARE_PREFIX: Final = "02:45:47:00:"
"""Of our device's address; a device of this name with another one is not ours."""

LOCK: Final = "\0egressway-steering"
"""Abstract socket, one in each network namespace: whoever holds it steers, until the process ends."""


def mark_of(number: int) -> int:
    """Mark of packets for the server with this number; also its routing table."""
    return MARKS | number


def is_our_table(table: int) -> bool:
    """A routing table that only we may use."""
    return table & MARKS_MASK == MARKS
