"""One integer for what a build can read, with its dated history.

A field with a good default does not bump it. A change that an older data plane would misread does,
and adds its line below and in `data-plane/snapshot/src/wire.rs`.
"""

from __future__ import annotations

__all__ = ["HISTORY", "WIRE"]

WIRE = 2
"""The newest snapshot layout this build writes."""

HISTORY: dict[int, str] = {
    1: "2025-11-25: listeners, pools with port slices, zones with hosts, origins and certificates.",
    2: "2026-11-25: the fleet around a server: peers, regions, the forwarding ladder of each pool.",
}
"""Layout to what it brought. Entries are never edited, only added."""
