"""The contract of an announcer (beside CONFIG 4). Every implementation, the fake one included, passes
`tests/contract/test_announcer_conformance.py`.

Desired state: `set` says what is to be announced from now on, to every peer, over every interruption.
A withdrawal is urgent: after a second no peer has the route any more, if need be because the session
was cut. `stop` withdraws first, sees it sent, and then ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol, TypeAlias

from egressway.node.announce.desired import Route

__all__ = ["Announcer", "AnnouncerStatus", "PeerAddress", "PeerStatus"]

PeerAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """The session with one router."""

    state: Literal["up", "down"] = "down"
    last_error: str | None = None
    """Why it was down the last time."""
    routes: int = 0
    """Prefixes that the peer has been sent and that stand."""
    ups_total: int = 0


@dataclass(frozen=True, slots=True)
class AnnouncerStatus:
    """For health and metrics."""

    is_running: bool = False
    desired: int = 0
    """Prefixes that are to be announced."""
    peers: Mapping[PeerAddress, PeerStatus] = field(default_factory=dict)
    restarts_total: int = 0
    last_error: str | None = None
    """Why the speaker itself does not run, or had to be restarted."""


class Announcer(Protocol):
    """Safe to use from any thread; nothing here waits for a router but `stop`."""

    @property
    def status(self) -> AnnouncerStatus:
        """The newest, immutable."""
        ...

    def start(self) -> None:
        """Open the sessions; nothing is announced before `set`."""
        ...

    def set(self, routes: Iterable[Route]) -> None:
        """Announce exactly these: differences only. Two routes of one prefix: the last one counts."""
        ...

    def withdraw_all(self) -> None:
        """As `set` with nothing; the sessions stay."""
        ...

    def stop(self, within: float = 3.0) -> None:
        """Withdraw, see it sent, close the sessions and end; at most so many seconds."""
        ...
