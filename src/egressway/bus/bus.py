"""The contract of a bus: configuration out to all servers, answers and reports back.

Invariants every implementation keeps, checked by `tests/contract/test_bus_conformance.py`:
configuration of one class has one order, a publisher that has not seen the last message is refused,
and a watcher is given every message after its position in that order, once, also over interruptions;
what the bus has given up keeping is left out, which shows by its base. Values (gate, held tuples) reach a
watcher as the newest one, maybe not each in between. Acknowledgements and reports may be lost, and
are sent again by their senders. Handlers are called from a thread of the bus, one at a time, and
must return soon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from egressway.wire.acknowledgement import Acknowledgement

__all__ = [
    "ALL",
    "Bus",
    "BusError",
    "Cancel",
    "ConfigMessage",
    "Conflict",
    "Position",
    "Unavailable",
    "Value",
    "Whole",
]

ALL: Final = "all"
"""Class of configuration that every server reads while no hostname is regional."""

Cancel: TypeAlias = Callable[[], None]
"""Ends a watch; its handler may be called once more while it is on its way."""


class BusError(Exception):
    """A message did not get through, and the text says why."""


class Conflict(BusError):
    """Somebody else has written since: look at what is there now, then try again."""


class Unavailable(BusError):
    """The bus cannot be reached or did not confirm. Trying again is safe."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the configuration of a class stands."""

    sequence: int
    """Grows with each message of the class."""
    revision: int


@dataclass(frozen=True, slots=True)
class ConfigMessage:
    """One published change. Without content it says: the whole of this revision is to be fetched."""

    sequence: int
    revision: int
    base_revision: int | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything at one revision; messages after `sequence` build on it."""

    revision: int
    sequence: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Value:
    """A stored value and the number to be named by who replaces it; number 0: there is none yet."""

    content: bytes
    number: int


class Bus(Protocol):
    """Safe to use from any thread. Calls that need an answer raise `Unavailable` without one."""

    # Configuration, by region class.

    def publish_config(
        self,
        cls: str,
        content: bytes,
        *,
        revision: int,
        base_revision: int | None,
        expect_last: int | None,
    ) -> int:
        """Append for all servers and give its sequence number, when it is safely kept.

        Raises `Conflict` when the last message is not `expect_last` (0: there is none).
        """
        ...

    def last_config(self, cls: str) -> Position | None:
        """The newest message's place; None before the first."""
        ...

    def classes(self) -> frozenset[str]:
        """Every class that has been published for; for those who publish."""
        ...

    def put_whole(self, cls: str, whole: Whole) -> None:
        """Keep everything for those who cannot build on what they have; replaces an older one."""
        ...

    def get_whole(self, cls: str) -> Whole | None:
        """The newest that was put; `Unavailable` perhaps for a class nobody has published for."""
        ...

    def last_whole(self, cls: str) -> Position | None:
        """Where it stands, without fetching it."""
        ...

    def watch_config(
        self, cls: str, after: int, handler: Callable[[ConfigMessage], None]
    ) -> Cancel:
        """Every message with a sequence above `after`, in order, from now on."""
        ...

    def is_denied(self, cls: str) -> bool:
        """Whether the bus does not let this process hear a class that it watches."""
        ...

    # Back from the servers.

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Tell what a server runs."""
        ...

    def acknowledgements(self, handler: Callable[[Acknowledgement], None]) -> Cancel:
        """What servers tell from now on."""
        ...

    def report(self, server: str, content: bytes) -> None:
        """Send a usage report."""
        ...

    def reports(self, handler: Callable[[str, bytes], None]) -> Cancel:
        """Server and report, from now on."""
        ...

    # Values: the newest counts.

    def get_gate(self) -> Value:
        """The rollout document."""
        ...

    def put_gate(self, content: bytes, *, expect: int) -> int:
        """Replace the rollout document numbered `expect`; raises `Conflict` if it is another."""
        ...

    def watch_gate(self, handler: Callable[[Value], None]) -> Cancel:
        """The document as it is now, if there is one, and each time that it has changed."""
        ...

    def put_held(self, server: str, content: bytes) -> None:
        """Say what connections this server still has in slices that have left it."""
        ...

    def watch_held(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """What `server` says now, if it has said anything, and each time that it changes."""
        ...

    def put_instance(self, server: str, content: bytes) -> None:
        """Say which instance of a server's node was started last."""
        ...

    def watch_instance(self, server: str, handler: Callable[[bytes], None]) -> Cancel:
        """Which one it is now, if any has said so, and each time that it changes."""
        ...

    # Itself.

    @property
    def largest_message(self) -> int:
        """Bytes of content that `publish_config` takes; what is longer goes by `put_whole`."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether messages get through now."""
        ...

    def close(self) -> None:
        """End all watches; further calls raise `Unavailable`."""
        ...
