"""An announcer without BGP: its routers are dictionaries (beside CONFIG 4).

For tests and for machines without routers. It keeps to the same contract as the real one, at once
instead of soon.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

from egressway.node.announce.announcer import AnnouncerStatus, PeerAddress, PeerStatus
from egressway.node.announce.desired import BgpSettings, Prefix, Route, by_prefix, family_of

__all__ = ["FakeAnnouncer"]


class FakeAnnouncer:
    """An `Announcer`; `cut`, `mend` and `crash` are what happens to it."""

    def __init__(self, settings: BgpSettings) -> None:
        self._lock = threading.Lock()
        self._settings = settings
        self._desired: dict[Prefix, Route] = {}
        self._is_running = False
        self._cut: set[PeerAddress] = set()
        self._restarts = 0
        self._peers = {peer.address: PeerStatus() for peer in settings.peers}

    @property
    def status(self) -> AnnouncerStatus:
        """The newest, immutable."""
        with self._lock:
            return AnnouncerStatus(
                is_running=self._is_running,
                desired=len(self._desired),
                peers={
                    peer: replace(status, routes=len(self._received(peer)))
                    for peer, status in self._peers.items()
                },
                restarts_total=self._restarts,
            )

    def received(self, peer: PeerAddress) -> Mapping[Prefix, Route]:
        """What a router has of us."""
        with self._lock:
            return self._received(peer)

    def start(self) -> None:
        """Open the sessions."""
        with self._lock:
            self._is_running = True
            self._look()

    def set(self, routes: Iterable[Route]) -> None:
        """Announce exactly these."""
        with self._lock:
            self._desired = by_prefix(routes)

    def withdraw_all(self) -> None:
        """Announce nothing."""
        self.set(())

    def stop(self, within: float = 3.0) -> None:  # noqa: ARG002 - it never takes long
        """Withdraw and end."""
        with self._lock:
            self._desired = {}
            self._is_running = False
            self._look()

    # What happens to it.

    def cut(self, peer: PeerAddress, reason: str = "cut") -> None:
        """The session ends and does not come back by itself."""
        with self._lock:
            self._cut.add(peer)
            self._look(reason)

    def mend(self, peer: PeerAddress) -> None:
        """It may come back."""
        with self._lock:
            self._cut.discard(peer)
            self._look()

    def crash(self) -> None:
        """The speaker dies and is started again."""
        with self._lock:
            was_running, self._is_running = self._is_running, False
            self._look("crashed")
            self._is_running = was_running
            self._restarts += was_running
            self._look()

    def _received(self, peer: PeerAddress) -> dict[Prefix, Route]:
        carried = next(each for each in self._settings.peers if each.address == peer).carried
        if self._peers[peer].state == "down":
            return {}
        return {
            prefix: route for prefix, route in self._desired.items() if family_of(prefix) in carried
        }

    def _look(self, reason: str | None = None) -> None:
        for peer, status in self._peers.items():
            is_up = self._is_running and peer not in self._cut
            if is_up and status.state == "down":
                self._peers[peer] = replace(status, state="up", ups_total=status.ups_total + 1)
            elif not is_up and status.state == "up":
                self._peers[peer] = replace(status, state="down", last_error=reason)
