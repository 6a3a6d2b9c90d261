"""Whether this process may open as many files as the configured cap asks for.

Every proxied connection is a socket towards the client and one towards the origin. The soft limit
is raised to the hard one; what the hard limit does not allow only the system's owner can.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from typing import Final

__all__ = ["OpenFiles", "needed_open_files", "prepare_open_files", "raise_open_files"]

_log = logging.getLogger(__name__)

OWN_FILES: Final = 1_024
"""Store, logs, listeners, event queues and the API's clients."""


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """What is allowed and what is needed."""

    allowed: int
    needed: int
    connection_cap: int

    @property
    def shortage(self) -> str | None:
        """What to tell the operator; None when it is enough."""
        if self.allowed >= self.needed:
            return None
        usable = max(0, (self.allowed - OWN_FILES) // 2)
        return (
            f"this process may open {self.allowed:,} files, but `egress.connection_cap` = "
            f"{self.connection_cap:,} needs {self.needed:,} (a client and an origin socket each, "
            f"and {OWN_FILES:,} of its own): about {usable:,} connections will work. Raise the "
            f"limit (`ulimit -n {self.needed}`, `LimitNOFILE={self.needed}`) or lower the cap"
        )


def needed_open_files(connection_cap: int) -> int:
    """Files for one egress address in full use towards one origin."""
    return 2 * connection_cap + OWN_FILES


def raise_open_files(connection_cap: int) -> OpenFiles:
    """Raise the soft limit as far as it goes and say how far that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return OpenFiles(hard, needed_open_files(connection_cap), connection_cap)


def prepare_open_files(connection_cap: int) -> None:
    """Raise the limit, and warn when that is not enough."""
    shortage = raise_open_files(connection_cap).shortage
    if shortage:
        _log.warning("%s", shortage)
