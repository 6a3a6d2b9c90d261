"""The Rust data plane. Compared with the built module by
`tests/contract/test_stub_matches_binary.py`.

Bytes and plain numbers: the types of the bytes are in `egressway.wire.snapshot` (in) and
`egressway.data_plane.handle` (out). Nothing here calls back into Python.
"""

from typing import Literal, final

__all__ = [
    "WIRE",
    "Applied",
    "DataPlane",
    "ListenError",
    "SnapshotRefused",
    "error_codes",
    "golden_roundtrip",
]

WIRE: int
"""The newest snapshot layout this build reads."""

class SnapshotRefused(ValueError):
    """The snapshot cannot be read, contradicts itself, or its base is not what runs."""

class ListenError(OSError):
    """An address and port cannot be listened on; the text names both."""

@final
class Applied:
    """The state that runs since `DataPlane.apply` returned."""

    @property
    def revision(self) -> int:
        """Revision of the snapshot."""

    @property
    def zones(self) -> int:
        """Zones in the table."""

    @property
    def listeners(self) -> list[tuple[str, int, bool]]:
        """Address, real port, whether TLS."""

    @property
    def unbindable(self) -> list[tuple[str, str]]:
        """Egress address, reason."""

@final
class DataPlane:
    """Accepts, routes and relays requests on threads of its own, from construction to `stop`."""

    def __new__(
        cls,
        *,
        workers: int = 0,
        log_buffer_bytes: int = 8388608,
        access_log: bool = True,
        share_listeners: bool = False,
    ) -> DataPlane:
        """Start the threads; nothing is listened on before the first `apply`.

        `workers=0` is one per core. Access log lines beyond `log_buffer_bytes` between two drains
        are dropped and counted. `share_listeners`: another process of ours may listen at the same
        addresses, before or after this one; closing then waits for handshakes that have begun.
        """

    def apply(self, snapshot: bytes) -> Applied:
        """Swap the running state whole; on an error the old state stays.

        Raises `SnapshotRefused` or `ListenError`, and RuntimeError after `stop`.
        """

    def drain_counters(self) -> bytes:
        """MessagePack of `egressway.data_plane.handle.Drained`: since the call before."""

    def status(self) -> bytes:
        """MessagePack of `egressway.data_plane.handle.Status`: now."""

    def held(self, everything: bool) -> bytes:
        """MessagePack of `egressway.data_plane.handle.Held` rows: connections whose ports have left.

        With `everything`, of all connections. Complete for what `apply` has taken away.
        """

    def set_part(self, part: Literal["whole", "leaving", "arriving"]) -> None:
        """From the next `apply` on: which part of its server's ports this process has.

        While one process takes over from another on one host, the one that leaves keeps a sixteenth
        of each address's ports and cap, and the one that arrives has the rest. Raises ValueError.
        """

    def exclude(self, held: bytes) -> None:
        """Exactly these rows are another process's or server's: not taken, counted to the cap.

        Raises ValueError if they cannot be read; what was excluded then stays so.
        """

    def cut(self, held: bytes) -> int:
        """End exactly these rows' connections, as far as their ports have left; how many.

        They close at once, though not before it returns. Raises ValueError if they cannot be read.
        """

    def set_identity(self, ca_pem: bytes, chain_pem: bytes, key_pem: bytes) -> None:
        """What this server proves itself with to its peers, and they to it, from now on.

        Raises ValueError if the three cannot be used together; the identity before then stays.
        """

    def stop(self, deadline: float) -> int:
        """Stop within `deadline` seconds; the number of connections cut. Again: nothing happens."""

def error_codes() -> list[tuple[str, int, str, str, int | None, str]]:
    """Code, status, source, retry, seconds for `Retry-After`, message of all own answers."""

def golden_roundtrip(snapshot: bytes) -> bytes:
    """Decode with the types of the data plane and encode again. Raises `SnapshotRefused`."""
