"""Who this node is, kept on its disk (beside CONFIG 4): one file, replaced as a whole, so that key and
certificate always belong together.

The key is made here and never leaves. Before a first join the key is kept too: when the answer of the
control plane is lost on the way, the same key may use its token once more.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from egressway.identity.node_key import NodeKey
from egressway.identity.private_file import write_private

__all__ = ["Identity", "IdentityFile"]


class Identity(msgspec.Struct, frozen=True):
    """A place in a fleet, and the proof of it; `repr` is free of the key."""

    server: str
    number: int
    epoch: int
    control_url: str
    """Where it renews; several are separated by commas."""
    bus_url: str
    authority: str
    certificate: str
    key: str
    not_after: datetime
    renew_at: datetime
    joined_with: str = ""
    """SHA-256 of the join token: with another one the node is to join again."""

    def __repr__(self) -> str:
        return (
            f"Identity(server={self.server!r}, number={self.number}, epoch={self.epoch}, "
            f"not_after={self.not_after.isoformat()})"
        )


class IdentityFile:
    """`identity.json` in the data directory, for its owner alone."""

    def __init__(self, data: Path) -> None:
        self._path = data / "identity.json"
        self._joining = data / "joining.pem"

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def read(self) -> Identity | None:
        """Who this node is; None before it has joined. Raises ValueError when it is damaged."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(content, type=Identity)

    def write(self, identity: Identity) -> None:
        """From now on it is this."""
        write_private(self._path, msgspec.json.encode(identity).decode())
        self._joining.unlink(missing_ok=True)

    def joining_key(self) -> NodeKey:
        """The key to join with; the same until it has."""
        try:
            return NodeKey.load(self._joining.read_bytes())
        except FileNotFoundError:
            key = NodeKey.generate()
            write_private(self._joining, key.pem.decode("ascii"))
            return key
