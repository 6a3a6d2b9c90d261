"""What others hold of this server's ports, from every side that knows of some (beside CONFIG 4).

The data plane knows one set; here it is put together. A slice that has moved here is partly held by
the server it came from, and a process that was started to replace another finds all of its ports held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from egressway.data_plane.handle import Held

__all__ = ["OLDER_PROCESS", "Exclusions"]

OLDER_PROCESS: Final = "older process"
"""Source of what a process before this one on the same host still holds."""

Excluded = tuple[Held, ...]


class Exclusions:
    """Thread-safe. Every source replaces what it has said before."""

    def __init__(self, exclude: Callable[[Excluded], None]) -> None:
        self._exclude = exclude
        self._lock = threading.Lock()
        self._by_source: dict[str, Excluded] = {}

    def put(self, source: str, held: Iterable[Held]) -> None:
        """From now on `source` says this."""
        with self._lock:
            self._by_source[source] = tuple(held)
            self._exclude(_together(self._by_source.values()))

    def of(self, source: str) -> Excluded:
        """What a source has said last."""
        with self._lock:
            return self._by_source.get(source, ())


def _together(lists: Iterable[Excluded]) -> Excluded:
    """Each pair of address and origin once, however many sources know of ports of it."""
    ports: dict[tuple[str, str], set[int]] = {}
    for held in lists:
        for each in held:
            ports.setdefault((each.egress_ip, each.origin), set()).update(each.ports)
    return tuple(Held(ip, origin, tuple(sorted(taken))) for (ip, origin), taken in ports.items())
