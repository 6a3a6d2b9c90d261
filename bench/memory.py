"""Memory per zone: growth of a proxy's process tree between a table of one zone and a large one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import isolation
from bench.memory_configs import MEMORY_TARGETS, PORT, MemoryTarget
from bench.process import ProcessError, ProcessTree
from bench.result import ZoneMemory
from bench.serve_egressway import Health
from bench.targets.target import Place, Target

ZONES = (10_000, 100_000)
QUICK_ZONES = (2_000,)
START_SECONDS = 60.0
"""A proxy that does not accept connections after this time is not measured at that size."""

_SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Footprint:
    start_seconds: float
    resident_bytes: int
    table_bytes: int


def measure_memory(
    targets: Sequence[Target], place: Place, quick: bool, say: Callable[[str], None]
) -> list[ZoneMemory]:
    """All sizes for every proxy that is among `targets`."""
    # Clients of the request cases may have left a socket on our port.
    isolation.renew_network()
    names = {target.name.removesuffix("-log") for target in targets}
    found = []
    for target in MEMORY_TARGETS:
        if target.name in names:
            found += _measure(target, place.work, QUICK_ZONES if quick else ZONES, say)
    return found


def _measure(
    target: MemoryTarget, work: Path, sizes: Sequence[int], say: Callable[[str], None]
) -> list[ZoneMemory]:
    found = []
    try:
        empty = _footprint(target, work, 1)
    except (ProcessError, OSError) as error:
        return [ZoneMemory(target.name, target.title, sizes[0], None, None, note=str(error))]
    for zones in sizes:
        say(f"memory: {target.title}: {zones:,} zones")
        try:
            full = _footprint(target, work, zones)
        except (ProcessError, OSError) as error:
            found.append(ZoneMemory(target.name, target.title, zones, None, None, note=str(error)))
            continue
        table = (full.table_bytes - empty.table_bytes) / zones
        found.append(
            ZoneMemory(
                target=target.name,
                title=target.title,
                zones=zones,
                bytes_per_zone=(full.resident_bytes - empty.resident_bytes) / zones,
                start_seconds=full.start_seconds,
                table_bytes_per_zone=table if full.table_bytes else None,
            )
        )
    return found


def _footprint(target: MemoryTarget, work: Path, zones: int) -> _Footprint:
    health = work / "memory.health.json"
    health.unlink(missing_ok=True)
    with ProcessTree(f"memory-{target.name}", target.configure(work, zones), work) as tree:
        seconds = tree.wait_until_listening([PORT], deadline=START_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        tree.check_alive()
        table_bytes = 0
        if health.exists():
            table_bytes = msgspec.json.decode(health.read_bytes(), type=Health).table_bytes
        return _Footprint(seconds, tree.resident_bytes(), table_bytes)
