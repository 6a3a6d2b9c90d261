"""The Rust data plane as a `DataPlaneHandle` (CONFIG 5 of 5): bytes to types, and nothing more.

The only importer of `egressway.data_plane._native` in the product.
"""

from __future__ import annotations

import msgspec

from egressway.data_plane import _native
from egressway.data_plane.handle import (
    ActiveListener,
    Applied,
    Drained,
    Held,
    IdentityRefused,
    ListenerUnavailable,
    Part,
    SnapshotRefused,
    Status,
    Unbindable,
)
from egressway.wire.snapshot import Snapshot, encode

__all__ = ["NativeDataPlane"]

LOG_BUFFER_BYTES = 8 * 1024 * 1024


class NativeDataPlane:
    """Runs from its construction until `stop`, on threads of its own."""

    def __init__(
        self,
        *,
        workers: int = 0,
        log_buffer_bytes: int = LOG_BUFFER_BYTES,
        access_log: bool = True,
        share_listeners: bool = False,
    ) -> None:
        self._plane = _native.DataPlane(
            workers=workers,
            log_buffer_bytes=log_buffer_bytes,
            access_log=access_log,
            share_listeners=share_listeners,
        )
        self._drained = msgspec.msgpack.Decoder(Drained)
        self._status = msgspec.msgpack.Decoder(Status)
        self._held = msgspec.msgpack.Decoder(tuple[Held, ...])

    def apply(self, snapshot: Snapshot) -> Applied:
        """Swap the running state; see `DataPlaneHandle.apply`."""
        try:
            applied = self._plane.apply(encode(snapshot))
        except _native.SnapshotRefused as refusal:
            raise SnapshotRefused(str(refusal)) from refusal
        except _native.ListenError as failure:
            raise ListenerUnavailable(failure.strerror or str(failure)) from failure
        except RuntimeError as stopped:
            raise SnapshotRefused(str(stopped)) from stopped
        return Applied(
            revision=applied.revision,
            zones=applied.zones,
            listeners=tuple(ActiveListener(*each) for each in applied.listeners),
            unbindable=tuple(Unbindable(*each) for each in applied.unbindable),
        )

    def drain_counters(self) -> Drained:
        """Counts and log lines since the call before."""
        return self._drained.decode(self._plane.drain_counters())

    def status(self) -> Status:
        """What runs now."""
        return self._status.decode(self._plane.status())

    def held(self, *, everything: bool = False) -> tuple[Held, ...]:
        """Connections whose ports have left, or all."""
        return self._held.decode(self._plane.held(everything))

    def set_part(self, part: Part) -> None:
        """The part of the server's ports from the next `apply` on."""
        self._plane.set_part(part)

    def exclude(self, held: tuple[Held, ...]) -> None:
        """Keep off what others hold."""
        self._plane.exclude(msgspec.msgpack.encode(held))

    def cut(self, held: tuple[Held, ...]) -> int:
        """End what is open in ports that have left; how many."""
        return self._plane.cut(msgspec.msgpack.encode(held))

    def set_identity(self, ca_pem: bytes, chain_pem: bytes, key_pem: bytes) -> None:
        """The identity on links to peers; see `DataPlaneHandle.set_identity`."""
        try:
            self._plane.set_identity(ca_pem, chain_pem, key_pem)
        except ValueError as refusal:
            raise IdentityRefused(str(refusal)) from refusal

    def stop(self, deadline_seconds: float) -> int:
        """End all traffic; the number of connections cut."""
        return self._plane.stop(deadline_seconds)
